extension DecodingError {
    /// Where and why a value did not fit, in one sentence.
    private var context: Context? {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context): context
        case .dataCorrupted(let context): context
        @unknown default: nil
        }
    }

    /// What an error of a decoder says to a person: its reason, after the path to the value at fault.
    static func reason(of error: any Error) -> String {
        guard let context = (error as? DecodingError)?.context else { return "\(error)" }
        let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
        return path.isEmpty ? context.debugDescription : "at \(path.joined(separator: ".")): \(context.debugDescription)"
    }
}
