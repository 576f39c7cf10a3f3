internal import Telekinesis

/// Counts things.
distributed actor Counter {
    private var count: Int

    init(initialValue: Int = 0, on node: Node) {
        count = initialValue
        actorSystem = node
    }

    /// Adds `amount` and returns the new value.
    distributed func increment(by amount: Int = 1) -> Int {
        // Wraps: what comes from callers must not be able to end the provider.
        count &+= amount
        return count
    }

    distributed var value: Int { count }
}
