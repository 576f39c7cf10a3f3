/// A name under which something is published: `demo/counter`.
///
/// Names have one spelling: the bytes that are authorised are the bytes that are dispatched. Segments are separated by single slashes and made of
/// ASCII letters, digits, `-`, `_`, `.` and `~` (the unreserved characters of RFC 3986 §2.3), case matters, and a segment of dots only is refused.
/// That leaves nothing to normalise: no Unicode forms, no confusables, no escapes, no wildcards.
public struct ServiceName: Hashable, Sendable, CustomStringConvertible {
    /// The longest name, in bytes.
    public static let maximumLength = 256

    /// The one spelling.
    public let description: String

    /// Checks a name.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidName` that says which rule it breaks.
    public init(_ text: some StringProtocol) throws(TelekinesisError) {
        let bytes = text.utf8
        func refuse(_ rule: String) -> TelekinesisError {
            TelekinesisError(.invalidName, "the name “\(text.printable(atMost: 64, asASCII: true))” \(rule)", ran: .no)
        }
        guard !bytes.isEmpty else { throw TelekinesisError(.invalidName, "a name must not be empty", ran: .no) }
        guard bytes.count <= Self.maximumLength else {
            throw TelekinesisError(.invalidName, "a name has at most \(Self.maximumLength) bytes; this one has \(bytes.count)", ran: .no)
        }
        var segmentLength = 0
        var onlyDots = true
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "/"):
                guard segmentLength > 0 else { throw refuse("has an empty part: write single slashes, none in front") }
                guard !onlyDots else { throw refuse("has a part made of dots only") }
                segmentLength = 0
                onlyDots = true
                continue
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
                onlyDots = false
            case UInt8(ascii: "."):
                break
            default:
                throw refuse("may only have ASCII letters, digits, - _ . ~ and / between its parts")
            }
            segmentLength += 1
        }
        guard segmentLength > 0 else { throw refuse("must not end with a slash") }
        guard !onlyDots else { throw refuse("has a part made of dots only") }
        description = String(text)
    }
}
