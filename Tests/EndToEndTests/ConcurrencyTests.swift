import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Providers that take so many calls at once.
@Suite(.timeLimit(.minutes(1))) struct ConcurrencyTests {
    /// Counts how many are inside at once.
    private final class Crowd: Sendable {
        private let inside = Atomic<Int>(0)
        private let most = Atomic<Int>(0)
        private let total = Atomic<Int>(0)
        private let places: Int

        /// - Parameter places: as long as there have not been so many at once, nobody leaves.
        init(places: Int) { self.places = places }

        var maximum: Int { most.load(ordering: .relaxed) }
        var count: Int { total.load(ordering: .relaxed) }

        func pass() async {
            let now = inside.add(1, ordering: .relaxed).newValue
            most.max(now, ordering: .relaxed)
            while maximum < places { await Task.yield() }
            for _ in 0..<5 { await Task.yield() }
            inside.subtract(1, ordering: .relaxed)
            total.add(1, ordering: .relaxed)
        }
    }

    @Test func aLimitHoldsForCallsByNameAndOnReferencesTogether() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let crowd = Crowd(places: 3)
        let hall = Hall(on: provider) { await crowd.pass() }
        try await provider.publish(hall, as: "demo/hall", concurrency: 3)
        let named = try await caller.resolve("demo/hall", as: Hall.self)
        let reference = try await named.me()
        try await withThrowingTaskGroup { group in
            for index in 0..<60 { group.addTask { try await (index.isMultiple(of: 2) ? named : reference).enter() } }
            try await group.waitForAll()
        }
        #expect(crowd.maximum == 3 && crowd.count == 60)
        #expect(hub.statistics.waitingCalls == 0 && hub.statistics.openCalls == 0)
        await hub.stop()
    }

    @Test func callsWaitAtTheHubUntilTheirTurnOrTheirDeadline() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let gate = Gate()
        try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe", concurrency: 1)
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        async let first = probe.wait()
        try await eventually { gate.arrived == 1 }
        let late = try await failure { try await withDeadline(.milliseconds(50)) { try await probe.add(1) } }
        #expect(late.code == .deadlineExceeded)
        let cancelled = Task { try await probe.add(2) }
        try await eventually { hub.statistics.waitingCalls == 1 }
        cancelled.cancel()
        await #expect(throws: TelekinesisError.self) { try await cancelled.value }
        try await eventually { hub.statistics.waitingCalls == 0 }
        async let third: Void = probe.add(3)
        try await eventually { hub.statistics.waitingCalls == 1 }
        #expect(gate.arrived == 1)
        gate.open()
        #expect(try await first == "done")
        try await third
        #expect(try await probe.added() == [3])
        await hub.stop()
    }

    @Test func callsOnReferencesWaitAtTheProvider() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect { $0.maximumCallsPerObject = 3 }, try await hub.connect())
        let gate = Gate()
        try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe", concurrency: 1)
        let probe = try await caller.resolve("demo/probe", as: Probe.self).me()
        async let first = probe.wait()
        try await eventually { gate.arrived == 1 }
        let cancelled = Task { try await probe.add(1) }
        try await eventually { provider.session.incoming.counts[0] == 2 }
        async let second: Void = probe.add(2)
        try await eventually { provider.session.incoming.counts[0] == 3 }
        let full = try await failure { try await probe.add(3) }
        #expect(full.code == .overloaded && full.ran == .no)
        // One that gives up makes room at once.
        cancelled.cancel()
        await #expect(throws: TelekinesisError.self) { try await cancelled.value }
        try await eventually { provider.session.incoming.counts[0] == 2 }
        gate.open()
        #expect(try await first == "done")
        try await second
        #expect(try await probe.added() == [2])
        try await eventually { provider.isIdle }
        await hub.stop()
    }

    @Test func functionsAndClassesHaveLimitsToo() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let crowds = (Crowd(places: 2), Crowd(places: 1))
        try await provider.publish(function: "demo/enter", concurrency: 2) { await crowds.0.pass() }
        try await provider.publish(class: "demo/Hall", concurrency: 1) {
            await crowds.1.pass()
            return Counter(on: provider)
        }
        let enter: RemoteFunction<() -> Void> = try await caller.function("demo/enter")
        let makeCounter = caller.class("demo/Hall", of: Counter.self)
        try await withThrowingTaskGroup { group in
            for _ in 0..<20 {
                group.addTask { try await enter() }
                group.addTask {
                    let count = try await makeCounter().increment(by: 1)
                    #expect(count == 1)
                }
            }
            try await group.waitForAll()
        }
        #expect(crowds.0.maximum == 2 && crowds.0.count == 20)
        #expect(crowds.1.maximum == 1 && crowds.1.count == 20)
        let error = try await failure { try await provider.publish(function: "demo/none", concurrency: 0) {} }
        #expect(error.code == .invalidUse)
        await hub.stop()
    }
}

/// A place that many want to enter.
distributed actor Hall {
    private let pass: @Sendable () async -> Void

    init(on node: Node, _ pass: @escaping @Sendable () async -> Void) {
        actorSystem = node
        self.pass = pass
    }

    distributed func enter() async { await pass() }

    distributed func me() -> Hall { self }
}
