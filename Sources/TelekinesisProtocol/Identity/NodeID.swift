/// The place of a session: 64 random bits that the hub gives with the welcome. 0 is the hub itself.
public struct NodeID: Hashable, Sendable, CustomStringConvertible {
    /// The bits.
    public let rawValue: UInt64

    /// A node id of these bits.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The hub; towards it, also "wherever the route leads".
    public static let hub = NodeID(rawValue: 0)

    /// A fresh id that is not the hub's.
    public static func random() -> NodeID {
        NodeID(rawValue: UInt64.random(in: 1...UInt64.max))
    }

    /// Sixteen hexadecimal digits.
    public var description: String { rawValue.hexadecimal }
}

/// The number of a call: rises within a node's life and is never used again.
public typealias CallID = UInt64
