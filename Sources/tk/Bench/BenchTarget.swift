internal import CAllocations
internal import Distributed
internal import Telekinesis

/// What the benchmark calls: an object with state.
distributed actor BenchTarget {
    private var count = 0

    init(on node: Node) { actorSystem = node }

    /// Numbers from 0 on, for as long as somebody reads them.
    distributed func numbers() -> RemoteStream<Int64> {
        RemoteStream { send in for number in 0...Int64.max { try await send(number) } }
    }

    /// Elements of one size, for as long as somebody reads them.
    distributed func frames(of size: Int) -> RemoteStream<[UInt8]> {
        let frame = [UInt8](repeating: 42, count: size)
        return RemoteStream { send in while true { try await send(frame) } }
    }

    /// Adds, and returns the new value.
    distributed func increment(by amount: Int) -> Int {
        count += amount
        return count
    }

    /// An object that a call returns.
    distributed func next() -> BenchTarget { self }

    /// Returns what it was given.
    distributed func echo(_ bytes: [UInt8]) -> [UInt8] { bytes }

    /// Takes bytes and says how many there were.
    distributed func take(_ bytes: [UInt8]) -> Int { bytes.count }

    /// How many blocks of memory this process has asked for.
    distributed func allocations() -> UInt64 { allocations_of_this_process() }

    /// Computes for so long, without a pause.
    distributed func compute(milliseconds: Int) -> Int {
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(milliseconds)
        var rounds = 0
        while clock.now < end { rounds += 1 }
        return rounds
    }
}
