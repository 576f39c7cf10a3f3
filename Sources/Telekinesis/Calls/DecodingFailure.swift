internal import MessagePack
internal import TelekinesisProtocol

extension DecodingError {
    /// Where and why a value did not fit.
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

    /// What an error of a decoder or an encoder says to a person: its reason, after the path to the value at fault.
    ///
    /// Keys and values of whoever sent the message may be in both, and the reader may be at the other end: so both are cut, and printable; the value that
    /// could not be encoded is left out.
    static func reason(of error: any Error) -> String {
        let (codingPath, reason): ([any CodingKey], String) =
            switch error {
            case EncodingError.invalidValue(_, let context): (context.codingPath, context.debugDescription)
            case let error as TelekinesisError: ([], error.message)
            default: (error as? DecodingError)?.context.map { ($0.codingPath, $0.debugDescription) } ?? ([], "\(error)")
            }
        let what = (reason.hasSuffix(".") ? String(reason.dropLast()) : reason).sentence
        guard !codingPath.isEmpty else { return what }
        let path = codingPath.prefix(longestPath).map { $0.intValue.map(String.init) ?? $0.stringValue.printable(atMost: 64) }
        return "at \((path + (codingPath.count > longestPath ? ["…"] : [])).joined(separator: ".")): \(what)"
    }

    private static let longestPath = 16
}

/// A word that somebody typed, and that does not spell a value of its type.
struct UnreadableWord: Error, CustomStringConvertible {
    let description: String

    /// - Parameter error: why it could not be read; `nil` comes of those that say more themselves.
    init?(_ word: String, as type: any Any.Type, _ error: any Error) {
        guard let problem = (error as? DecodingError)?.context?.underlyingError as? MessagePackError else { return nil }
        switch problem.code {
        case .invalidText where type is any FixedWidthInteger.Type && Self.isWhole(word): description = "\(word.quoted) does not fit in it"
        case .invalidText, .invalidTimestamp: description = "\(word.quoted) does not spell one"
        case .mismatch(expected: .map, found: .string), .mismatch(expected: .array, found: .string):
            description = "\(word.quoted) is none: structures and arrays are written in JSON"
        default: return nil
        }
    }

    private static func isWhole(_ word: String) -> Bool {
        let digits = word.first.map { "+-".contains($0) } ?? false ? word.dropFirst() : word[...]
        return !digits.isEmpty && digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
