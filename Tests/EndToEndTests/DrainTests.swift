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

    /// Three providers of a name, each replaced in its turn, under more calls than they take at once.
    @Test func aRollingRestartIsNotSeen() async throws {
        let hub = try await startHub()
        @Sendable func provider() async throws -> Node {
            let node = try await hub.connect()
            try await node.publish(Probe(on: node), as: "demo/probe", .shared, concurrency: 2)
            try await node.publish(function: "demo/where", concurrency: 1) {
                await Task.yield()
                return node.id.rawValue
            }
            return node
        }
        var providers: [Node] = []
        for _ in 0..<3 { providers.append(try await provider()) }
        let callers = [try await hub.connect(), try await hub.connect()]
        let load = Load()
        try await withThrowingTaskGroup { group in
            for (index, caller) in callers.enumerated() {
                let probe = try await caller.resolve("demo/probe", as: Probe.self)
                for _ in 0..<8 { group.addTask { try await load.run { try await probe.pause() } } }
                group.addTask {
                    try await load.run { try #require(try await probe.size(of: [UInt8](repeating: 1, count: 200_000)) == 200_000) }
                }
                for key in 0..<4 {
                    let home: RemoteFunction<() -> UInt64> = try await caller.function(
                        "demo/where", choosing: .sticky(by: "\(index) \(key)"))
                    group.addTask { try await load.run { _ = try await home() } }
                }
            }
            for _ in 0..<2 {
                for place in providers.indices {
                    try await load.goesOn()
                    await providers[place].shutdown()
                    try await load.goesOn()
                    providers[place] = try await provider()
                }
            }
            try await load.goesOn()
            load.stop()
            try await group.waitForAll()
        }
        try await eventually { hub.statistics.waitingCalls == 0 && hub.statistics.openCalls == 0 }
        #expect(hub.statistics.providers == 6)
        await hub.stop()
    }

    @Test func callsThatWaitForAProviderGoToOthersWhenItLeaves() async throws {
        let hub = try await startHub()
        let (first, second, caller) = (try await hub.connect(), try await hub.connect(), try await hub.connect())
        let gates = (Gate(), Gate())
        try await first.publish(Probe(on: first, gate: gates.0), as: "demo/probe", .shared, concurrency: 1)
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        async let running = probe.wait()
        try await eventually { gates.0.arrived == 1 }
        async let waiting = failure { try await probe.wait() }
        try await eventually { hub.statistics.waitingCalls == 1 }
        async let shutdown: Void = first.shutdown()
        // The last one that serves the name leaves: what waited is told at once, and what runs is finished.
        let error = try await waiting
        #expect(error.code == .noProvider && error.ran == .no)
        try await second.publish(Probe(on: second, gate: gates.1), as: "demo/probe", .shared, concurrency: 1)
        async let next = probe.wait()
        try await eventually { gates.1.arrived == 1 }
        async let behind = probe.wait()
        try await eventually { hub.statistics.waitingCalls == 1 }
        let third = try await hub.connect()
        try await third.publish(Probe(on: third, gate: gates.1), as: "demo/probe", .shared, concurrency: 1)
        try await eventually { gates.1.arrived == 2 }
        gates.0.open()
        gates.1.open()
        for answer in [try await running, try await next, try await behind] { #expect(answer == "done") }
        await shutdown
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

    @Test func aProviderDoesNotWaitForEverForWhatRuns() async throws {
        let hub = try await startHub()
        let caller = try await hub.connect()
        let provider = try await hub.connect { $0.drainTime = .milliseconds(100) }
        let gate = Gate()
        try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        async let lost = failure { try await probe.wait() }
        try await eventually { gate.arrived == 1 }
        await provider.shutdown()
        let error = try await lost
        #expect(error.code == .disconnected && error.ran == .maybe)
        gate.open()
        await hub.stop()
    }

    @Test func aHubThatDrainsLosesNoCall() async throws {
        try await withTemporaryDirectory { directory in
            var hub = try await startHubToBeRestarted { $0.stateDirectory = directory }
            let port = hub.port
            let (provider, caller) = (try await hub.connect(), try await hub.connect())
            try await provider.publish(Counter(on: provider), as: "demo/counter")
            try await provider.publish(Probe(on: provider), as: "demo/probe")
            try await provider.publish(function: "demo/narrow", concurrency: 1) { await Task.yield() }
            let counter = try await caller.resolve("demo/counter", as: Counter.self)
            let probe = try await caller.resolve("demo/probe", as: Probe.self)
            let narrow: RemoteFunction<() -> Void> = try await caller.function("demo/narrow")
            let load = Load()
            try await withThrowingTaskGroup { group in
                for _ in 0..<8 { group.addTask { try await load.run { _ = try await counter.increment(by: 1) } } }
                // Nearly all of these wait at the hub.
                for _ in 0..<4 { group.addTask { try await load.run { try await narrow() } } }
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
