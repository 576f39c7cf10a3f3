internal import TelekinesisProtocol

extension DecodingError {
    /// What an error of a decoder or an encoder says to a person: its reason, after the path to the value at fault.
    ///
    /// Keys and values of whoever sent the message may be in both, and the reader may be at the other end: so both are cut, and printable; the value that
    /// could not be encoded is left out.
    static func reason(of error: any Error) -> String {
        let (codingPath, reason): ([any CodingKey], String) =
            switch error {
            case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
                DecodingError.keyNotFound(_, let context), DecodingError.dataCorrupted(let context):
                (context.codingPath, context.debugDescription)
            case EncodingError.invalidValue(_, let context): (context.codingPath, context.debugDescription)
            case let error as TelekinesisError: ([], error.message)
            default: ([], "\(error)")
            }
        guard !codingPath.isEmpty else { return reason.sentence }
        let path = codingPath.prefix(longestPath).map { $0.intValue.map(String.init) ?? $0.stringValue.printable(atMost: 64) }
        return "at \((path + (codingPath.count > longestPath ? ["…"] : [])).joined(separator: ".")): \(reason.sentence)"
    }

    private static let longestPath = 16
}
