internal import MessagePack

extension DecodingError {
    /// Where and why a value did not fit, in one sentence.
    fileprivate var context: Context? {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context): context
        case .dataCorrupted(let context): context
        @unknown default: nil
        }
    }

    /// Whether the value is text that spells nothing of the type asked for.
    static func isOfText(_ error: any Error) -> Bool {
        ((error as? DecodingError)?.context?.underlyingError as? MessagePackError)?.code == .invalidText
    }

    /// What an error of a decoder says to a person: its reason, after the path to the value at fault.
    static func reason(of error: any Error) -> String {
        guard let context = (error as? DecodingError)?.context else { return "\(error)" }
        let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
        let what = context.debugDescription.hasSuffix(".") ? String(context.debugDescription.dropLast()) : context.debugDescription
        return path.isEmpty ? what : "at \(path.joined(separator: ".")): \(what)"
    }
}

/// A word that somebody typed, and that does not spell a value of its type.
struct UnreadableWord: Error, CustomStringConvertible {
    let description: String

    /// - Parameter error: why it could not be read; `nil` comes of those that say more themselves.
    init?(_ word: String, as type: any Any.Type, _ error: any Error) {
        guard let problem = (error as? DecodingError)?.context?.underlyingError as? MessagePackError else { return nil }
        let shown = "“\(word.prefix(40))\(word.count > 40 ? "…" : "")”"
        switch problem.code {
        case .invalidText where type is any FixedWidthInteger.Type && Self.isWhole(word): description = "\(shown) does not fit in it"
        case .invalidText, .invalidTimestamp: description = "\(shown) does not spell one"
        case .mismatch(expected: .map, found: .string), .mismatch(expected: .array, found: .string):
            description = "\(shown) is none: structures and arrays are written in JSON"
        default: return nil
        }
    }

    private static func isWhole(_ word: String) -> Bool {
        let digits = word.first.map { "+-".contains($0) } ?? false ? word.dropFirst() : word[...]
        return !digits.isEmpty && digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
