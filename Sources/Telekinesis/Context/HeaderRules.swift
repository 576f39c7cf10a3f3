internal import TelekinesisProtocol

/// What the headers of a call may be like. Checked by whoever sends them, and again where they arrive.
///
/// Names and values are such that they can cross into HTTP and into logs as they are.
enum HeaderRules {
    static let maximumCount = 64
    /// Of all names and values together.
    static let maximumBytes = 8 * 1024

    /// Checks headers.
    ///
    /// - Throws: `tooLarge` for too many or too long ones, `badArguments` for a name that is no token (RFC 9110 §5.6.2) or a value with control
    ///   characters.
    static func check(_ headers: [String: String]) throws(TelekinesisError) {
        var size = 0
        for (name, value) in headers { size += name.utf8.count + value.utf8.count }
        guard headers.count <= maximumCount, size <= maximumBytes else {
            throw TelekinesisError(
                .tooLarge, "a call has at most \(maximumCount) headers, of \(maximumBytes) bytes altogether", ran: .no)
        }
        for (name, value) in headers {
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenCharacter) else {
                throw TelekinesisError(
                    .badArguments, "\(name.quoted) is no name for a header: write ASCII letters, digits and dashes",
                    ran: .no)
            }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
                throw TelekinesisError(.badArguments, "the value of the header \(name.quoted) has control characters", ran: .no)
            }
        }
    }

    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
