/// The SHA-256 (FIPS 180-4) of some content, which stands for it: whoever knows the digest may fetch the content.
public struct ContentDigest: Hashable, Sendable {
    /// Bytes of a digest.
    public static let size = 32

    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// A digest of 32 bytes.
    ///
    /// - Returns: `nil` for any other count of bytes.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.size else { return nil }
        words = bytes.withUnsafeBytes { memory in
            func word(_ index: Int) -> UInt64 { UInt64(bigEndian: memory.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)) }
            return (word(0), word(1), word(2), word(3))
        }
    }

    /// A digest from its text: 64 hexadecimal digits, in lower case.
    ///
    /// - Returns: `nil` for anything else.
    public init?(_ text: some StringProtocol) {
        var bytes: [UInt8] = []
        var high: UInt8?
        for byte in text.utf8 {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let before = high {
                bytes.append(before << 4 | digit)
                high = nil
            } else {
                high = digit
            }
            guard bytes.count <= Self.size else { return nil }
        }
        guard high == nil else { return nil }
        self.init(bytes)
    }

    /// Whether two digests are equal.
    public static func == (one: Self, other: Self) -> Bool { one.words == other.words }

    /// Feeds the digest to a hasher.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}

extension ContentDigest: CustomStringConvertible {
    /// The digest as text: 64 hexadecimal digits.
    public var description: String {
        [words.0, words.1, words.2, words.3].map(\.hexadecimal).joined()
    }

    /// Enough of it to tell it from others in a message, and too little to fetch anything.
    public var redacted: String { "\(description.prefix(8))…" }
}

extension ContentDigest: Codable {
    /// Reads a digest from its text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let digest = ContentDigest(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a digest has 64 hexadecimal digits, in lower case")
        }
        self = digest
    }

    /// Writes the digest as text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// What stands for a value in a store: whoever has it may fetch the value, and can see that it is the right one.
public struct StoredReference: Hashable, Sendable, Codable {
    /// The digest of the content.
    public let digest: ContentDigest
    /// Bytes of the content.
    public let size: Int

    /// A reference to content of a known digest.
    public init(digest: ContentDigest, size: Int) {
        self.digest = digest
        self.size = size
    }
}
