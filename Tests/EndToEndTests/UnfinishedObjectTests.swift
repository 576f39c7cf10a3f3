import Distributed
@testable import Telekinesis
import TelekinesisHub
import Testing

/// An object that is still being made is handed over when that has come to an end, unless whoever waits gives up before.
@Suite(.timeLimit(.minutes(1))) struct UnfinishedObjectTests {
    private let hub: Hub
    private let provider: Node
    private let caller: Node
    private let gate = Gate()

    init() async throws {
        hub = try await startHub()
        (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(class: "demo/Slow") { [gate, provider] in
            await gate.pass()
            return SlowKeeper(on: provider)
        }
        try await provider.publish(SlowKeeper(on: provider), as: "demo/keeper")
    }

    @Test func deadlinesAndCancellationsHoldWhileAnArgumentIsBeingMade() async throws {
        let keeper = try await caller.resolve("demo/keeper", as: SlowKeeper.self)
        let slow = try caller.class("demo/Slow", of: SlowKeeper.self)()
        let late = try await failure { try await withDeadline(.milliseconds(20)) { try await keeper.keep(slow) } }
        #expect(late.code == .deadlineExceeded && late.ran == .no)
        let task = Task { try await keeper.keep(slow) }
        try await eventually { gate.arrived == 1 }
        task.cancel()
        let cancelled = try await failure { try await task.value }
        #expect(cancelled.code == .cancelled && cancelled.ran == .no)
        gate.open()
        #expect(try await keeper.keep(slow) == 1)
        await hub.stop()
    }

    @Test func anAnswerIsNotWaitedForLongerThanItsCaller() async throws {
        let other = try await hub.connect()
        try await other.publish(SlowKeeper(on: other), as: "demo/other")
        let keeper = try await caller.resolve("demo/other", as: SlowKeeper.self)
        let late = try await failure { try await withDeadline(.milliseconds(50)) { try await keeper.slow() } }
        #expect(late.code == .deadlineExceeded)
        try await eventually { gate.arrived == 1 }
        try await eventually { other.session.incoming.counts.allSatisfy { $0 == 0 } }
        gate.open()
        let made = try await keeper.slow()
        #expect(try await made.keep(made) == 1)
        await hub.stop()
    }
}

distributed actor SlowKeeper {
    private var kept: [SlowKeeper] = []

    init(on node: Node) { actorSystem = node }

    distributed func keep(_ other: SlowKeeper) -> Int {
        kept.append(other)
        return kept.count
    }

    /// An object that another provider has only begun to make.
    distributed func slow() throws -> SlowKeeper { try actorSystem.class("demo/Slow", of: SlowKeeper.self)() }
}
