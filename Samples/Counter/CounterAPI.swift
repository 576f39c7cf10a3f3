public import Distributed
public import Telekinesis

/// What callers know of a counter: this protocol, and nothing of the code behind it.
@Resolvable
public protocol CounterService: DistributedActor where ActorSystem == Node {
    /// Adds `amount` and returns the new value.
    distributed func increment(by amount: Int) async throws -> Int
}

extension CounterService {
    /// Adds one. Protocols have no default arguments; this stands in for one.
    public nonisolated func increment() async throws -> Int { try await increment(by: 1) }
}
