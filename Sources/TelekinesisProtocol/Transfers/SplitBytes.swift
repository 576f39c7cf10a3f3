/// A call, a reply or the body of one, whose last value may lie by itself: a large byte array is then sent from where it is, and handed on as it came.
public struct SplitBytes: Sendable {
    /// Everything, or everything but `tail`.
    public var bytes: [UInt8]
    /// The bytes of a large byte array, of which `bytes` ends with the head.
    public var tail: [UInt8]?

    /// Puts two pieces together.
    public init(_ bytes: [UInt8], tail: [UInt8]? = nil) {
        self.bytes = bytes
        self.tail = tail
    }

    /// How many bytes both have.
    public var count: Int { bytes.count + (tail?.count ?? 0) }

    /// All in one piece.
    public var joined: [UInt8] { tail.map { bytes + $0 } ?? bytes }

    /// Makes one piece of them if `bytes` alone is longer than `size`.
    public mutating func join(beyond size: Int) {
        if bytes.count > size, let rest = tail.take() { bytes += rest }
    }
}
