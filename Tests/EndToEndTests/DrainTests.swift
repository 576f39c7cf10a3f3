import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Providers and hubs that end in good order.
@Suite(.timeLimit(.minutes(1))) struct DrainTests {
    /// Calls for as long as a test wants, and counts.
    private final class Load: Sendable {
        private let isOver = Atomic<Bool>(false)
        private let answered = Atomic<Int>(0)

        var count: Int { answered.load(ordering: .relaxed) }

        func stop() { isOver.store(true, ordering: .relaxed) }

        func run(_ call: @Sendable () async throws -> Void) async throws {
            while !isOver.load(ordering: .relaxed) {
                try await call()
                answered.add(1, ordering: .relaxed)
            }
        }

        /// Waits for so many more answers.
        func goesOn(_ more: Int = 200) async throws {
            let start = count
            try await eventually { count >= start + more }
        }
    }

    @Test func aProviderThatShutsDownLosesNoCall() async throws {
        let hub = try await startHub()
        let caller = try await hub.connect()
        let steady = try await hub.connect()
        try await steady.publish(Counter(on: steady), as: "demo/counter", .shared)
        try await steady.publish(class: "demo/Counter") { Counter(on: steady) }
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        let load = Load()
        try await withThrowingTaskGroup { group in
            for _ in 0..<8 { group.addTask { try await load.run { _ = try await counter.increment(by: 1) } } }
            for _ in 0..<5 {
                let passing = try await hub.connect()
                try await passing.publish(Counter(on: passing), as: "demo/counter", .shared)
                try await load.goesOn()
                await passing.shutdown()
            }
            load.stop()
            try await group.waitForAll()
        }
        await hub.stop()
    }

    @Test func aProviderFinishesWhatRunsBeforeItLeaves() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let gate = Gate()
        try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        async let answer = probe.wait()
        async let large = probe.waitForBytes(3_000_000)
        try await eventually { gate.arrived == 2 }
        let journal = Journal()
        provider.onShutdown { journal.note("shutdown") }
        async let shutdown: Void = provider.shutdown()
        try await eventually { hub.statistics.providers == 0 }
        #expect(try await failure { try await probe.add(1) }.code == .noProvider)
        #expect(journal.entries == [])
        gate.open()
        #expect(try await answer == "done")
        #expect(try await large.count == 3_000_000)
        await shutdown
        #expect(journal.entries == ["shutdown"])
        await hub.stop()
    }

    @Test func aHubThatDrainsLosesNoCall() async throws {
        try await withTemporaryDirectory { directory in
            var hub = try await startHubToBeRestarted { $0.stateDirectory = directory }
            let port = hub.port
            let (provider, caller) = (try await hub.connect(), try await hub.connect())
            try await provider.publish(Counter(on: provider), as: "demo/counter")
            try await provider.publish(Probe(on: provider), as: "demo/probe")
            let counter = try await caller.resolve("demo/counter", as: Counter.self)
            let probe = try await caller.resolve("demo/probe", as: Probe.self)
            let load = Load()
            try await withThrowingTaskGroup { group in
                for _ in 0..<8 { group.addTask { try await load.run { _ = try await counter.increment(by: 1) } } }
                group.addTask { try await load.run { try #require(try await probe.bytes(2_000_000).count == 2_000_000) } }
                group.addTask {
                    try await load.run { try #require(try await probe.size(of: [UInt8](repeating: 1, count: 2_000_000)) == 2_000_000) }
                }
                for _ in 0..<3 {
                    try await load.goesOn()
                    await hub.drain(grace: .seconds(20))
                    hub = try await startHub {
                        $0.stateDirectory = directory
                        $0.port = port
                    }
                }
                try await load.goesOn()
                load.stop()
                try await group.waitForAll()
            }
            // Each call that was answered, and no other, has run.
            #expect(try await counter.value <= load.count)
            await hub.stop()
        }
    }

    @Test func hooksRunBeforeTheFirstCallAndAfterTheLast() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let gate = Gate()
        let journal = Journal()
        provider.onStart { journal.note("start 1") }
        provider.onStart {
            journal.note("start 2")
            try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe")
        }
        provider.onShutdown { journal.note("shutdown") }
        let running = Task { try await provider.run() }
        let probe = try await caller.resolve("demo/probe", as: Probe.self, waitingUpTo: .seconds(20))
        async let answer = probe.wait()
        try await eventually { gate.arrived == 1 }
        running.cancel()
        try await eventually { hub.statistics.providers == 0 }
        #expect(journal.entries == ["start 1", "start 2"])
        gate.open()
        #expect(try await answer == "done")
        try await running.value
        #expect(journal.entries == ["start 1", "start 2", "shutdown"])
        await hub.stop()
    }

    @Test func aHookThatThrowsEndsTheRun() async throws {
        let hub = try await startHub()
        let provider = try await hub.connect()
        provider.onStart { throw Trouble(message: "no database") }
        await #expect(throws: Trouble(message: "no database")) { try await provider.run() }
        await hub.stop()
    }
}
