/// Header fields in the order they came, found without regard to the case of their names (RFC 9110 §5).
public struct HTTPHeaders: Equatable, Sendable, ExpressibleByDictionaryLiteral {
    /// One header field line.
    public struct Field: Equatable, Sendable {
        /// The name as it was written.
        public let name: String
        /// The value without surrounding white space.
        public let value: String
    }

    /// All fields, in order.
    public private(set) var fields: [Field] = []

    /// The fields of `elements`, in order; a name may occur more than once.
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { append(name, value) }
    }

    /// Adds a field behind the others.
    public mutating func append(_ name: String, _ value: String) {
        fields.append(Field(name: name, value: value))
    }

    /// The value of the first field called `name`.
    public subscript(name: String) -> String? {
        fields.first { $0.name.equalsIgnoringASCIICase(name) }?.value
    }

    /// The values of all fields called `name`, in order.
    public func values(of name: String) -> [String] {
        fields.lazy.filter { $0.name.equalsIgnoringASCIICase(name) }.map(\.value)
    }

    /// The elements of a comma-separated list that may be spread over several fields (RFC 9110 §5.6.1); empty elements are left out.
    ///
    /// - Parameter limit: how many elements are looked at, so that a long list costs no more than a short one.
    public func list(_ name: String, limit: Int = 100) -> [String] {
        var elements: [String] = []
        for value in values(of: name) {
            for element in value.utf8.split(separator: UInt8(ascii: ",")) {
                guard elements.count < limit else { return elements }
                let trimmed = String(Substring(element)).trimmingSpacesAndTabs()
                if !trimmed.isEmpty { elements.append(trimmed) }
            }
        }
        return elements
    }

    /// Whether the list `name` holds `token`, in any case: `Connection: keep-alive, Upgrade` holds `upgrade`.
    public func contains(_ token: String, in name: String) -> Bool {
        list(name).contains { $0.equalsIgnoringASCIICase(token) }
    }
}

extension String {
    /// Whether both are the same but for the case of ASCII letters, which is how HTTP compares names and tokens.
    public func equalsIgnoringASCIICase(_ other: String) -> Bool {
        utf8.count == other.utf8.count && zip(utf8, other.utf8).allSatisfy { $0.asciiLowercased == $1.asciiLowercased }
    }

    /// Without the white space that HTTP allows around values (RFC 9110 §5.6.3).
    func trimmingSpacesAndTabs() -> String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        guard let first = utf8.firstIndex(where: { !isSpace($0) }), let last = utf8.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(self[first...last])
    }
}

extension UInt8 {
    var asciiLowercased: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }

    /// A character of a token (RFC 9110 §5.6.2), which methods and field names are made of.
    var isTokenCharacter: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "^")...UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
