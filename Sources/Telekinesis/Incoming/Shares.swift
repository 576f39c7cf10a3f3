internal import TelekinesisProtocol

/// How much of something each node has, and all of them together.
struct Shares {
    private(set) var total = 0
    private var shares: [NodeID: Int] = [:]

    /// How much a node has.
    subscript(node: NodeID) -> Int { shares[node] ?? 0 }

    /// A node has more, or less.
    mutating func add(_ amount: Int, for node: NodeID) {
        total += amount
        let share = self[node] + amount
        shares[node] = share == 0 ? nil : share
    }
}
