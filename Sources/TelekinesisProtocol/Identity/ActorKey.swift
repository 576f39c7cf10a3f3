/// The identity of one object: 128 random bits.
///
/// To know the key is to be allowed to call the object, so a key is a secret: what people see in logs and errors is ``redacted``.
@frozen
public struct ActorKey: Hashable, Sendable {
    /// The first eight bytes, little-endian.
    public let low: UInt64
    /// The last eight bytes, little-endian.
    public let high: UInt64

    /// A key of the given halves.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// A fresh key from the system's random source.
    public static func random() -> ActorKey {
        var generator = SystemRandomNumberGenerator()
        return ActorKey(low: generator.next(), high: generator.next())
    }

    /// The object that every end offers under a key all know: the hub's own methods at node 0.
    public static let control = ActorKey(low: 0, high: 0)

    /// A short name for logs that does not give the key away.
    public var redacted: String {
        var hash = FNV1a64()
        withUnsafeBytes(of: (low.littleEndian, high.littleEndian)) { hash.combine($0) }
        return "#" + String(hash.value >> 40, radix: 16)
    }

    /// Adds both halves: callers choose the keys of their instances, and could choose many that share one.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(low)
        hasher.combine(high)
    }
}

extension ActorKey: CustomStringConvertible {
    /// The same as ``redacted``.
    public var description: String { redacted }
}

/// The Fowler–Noll–Vo hash 1a with 64 bits (draft-eastlake-fnv, offset basis and prime of §5).
public struct FNV1a64: Sendable {
    /// The hash of what was combined so far.
    public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    /// The hash of nothing.
    public init() {}

    /// Adds bytes.
    public mutating func combine(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
}
