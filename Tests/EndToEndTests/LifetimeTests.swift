import Reactor
import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// How long objects made elsewhere live.
@Suite(.timeLimit(.minutes(1))) struct LifetimeTests {
    private struct Stage {
        let hub: Hub
        let provider: Node
        let caller: Node
        let watch = Watch()

        init() async throws {
            hub = try await startHub()
            let provider = try await hub.connect()
            self.provider = provider
            caller = try await hub.connect()
            try await provider.publish(class: "demo/Probe") { [watch] in Probe(on: provider, watch) }
            try await provider.publish(class: "demo/Broken") { (text: String) async throws -> Probe in throw Trouble(message: text) }
        }
    }

    @Test func anInstanceEndsWithItsProxy() async throws {
        let stage = try await Stage()
        do {
            let probe = try stage.caller.class("demo/Probe", of: Probe.self)()
            try await probe.add(1)
            #expect(stage.watch.alive == 1)
            #expect(stage.provider.session.incoming.registry.heldCount == 1)
        }
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 }
        #expect(stage.provider.session.incoming.registry.heldCount == 0)
        await stage.hub.stop()
    }

    @Test func whatIsReleasedEndsThoughThereIsAProxy() async throws {
        let stage = try await Stage()
        let (first, second) = (
            try stage.caller.class("demo/Probe", of: Probe.self)(), try stage.caller.class("demo/Probe", of: Probe.self)()
        )
        try await first.add(1)
        try await second.add(1)
        #expect(stage.watch.alive == 2)
        // A second time it does nothing.
        stage.caller.release(first)
        stage.caller.release(first)
        try await eventually(within: .seconds(1)) { stage.watch.alive == 1 }
        let error = try await failure { try await first.add(2) }
        #expect(error.code == .noSuchObject && error.ran == .no)
        #expect(try await second.added() == [1])
        #expect(stage.provider.session.incoming.registry.heldCount == 1)
        // One's own objects, and names, are not given back.
        let own = Probe(on: stage.caller, stage.watch)
        stage.caller.release(own)
        #expect(try await own.added().isEmpty)
        await stage.hub.stop()
    }

    @Test func anInstanceEndsWhoseProxyWasGoneBeforeItWasMade() async throws {
        let stage = try await Stage()
        for _ in 0..<100 { _ = try stage.caller.class("demo/Probe", of: Probe.self)() }
        // All that was sent before has been worked off when this is answered.
        try await stage.caller.class("demo/Probe", of: Probe.self)().add(1)
        try await eventually(within: .seconds(1)) {
            stage.watch.alive == 0 && stage.provider.session.incoming.registry.heldCount == 0 && stage.hub.statistics.created == 0
        }
        await stage.hub.stop()
    }

    @Test func callsFindAnInstanceWhileItsPlaceBecomesKnown() async throws {
        let stage = try await Stage()
        for _ in 0..<300 {
            let probe = try stage.caller.class("demo/Probe", of: Probe.self)()
            try await withThrowingTaskGroup { group in
                for number in 0..<4 { group.addTask { try await probe.add(number) } }
                try await group.waitForAll()
            }
            #expect(try await probe.added().count == 4)
        }
        await stage.hub.stop()
    }

    @Test func anInstanceEndsWithTheConnectionOfItsCaller() async throws {
        let stage = try await Stage()
        let probe = try stage.caller.class("demo/Probe", of: Probe.self)()
        try await probe.add(1)
        await stage.caller.close()
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 }
        #expect(stage.provider.session.incoming.registry.heldCount == 0)
        withExtendedLifetime(probe) {}
        await stage.hub.stop()
    }

    @Test func aCallKeepsItsInstance() async throws {
        let stage = try await Stage()
        let task = Task { [stage] in try await stage.caller.class("demo/Probe", of: Probe.self)().hang() }
        try await eventually { stage.watch.enteredCount == 1 }
        #expect(stage.watch.alive == 1)
        task.cancel()
        _ = await task.result
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 }
        await stage.hub.stop()
    }

    @Test func constructionsThatFailLeaveNothing() async throws {
        let stage = try await Stage()
        for _ in 0..<50 {
            let probe = try stage.caller.class("demo/Broken", of: Probe.self)("no such thing")
            // Of its own type, as any method's.
            await #expect(throws: Trouble(message: "no such thing")) { try await probe.add(1) }
        }
        try await eventually(within: .seconds(1)) {
            stage.provider.session.incoming.registry.heldCount == 0 && stage.hub.statistics.created == 0
                && stage.caller.session.state.withLock { $0.pending.count } == 0
        }
        await stage.hub.stop()
    }

    @Test func anInstanceMadeFromALargeArgumentCanBeCalledAtOnce() async throws {
        let stage = try await Stage()
        let (provider, watch) = (stage.provider, stage.watch)
        try await provider.publish(class: "demo/Large") { (bytes: [UInt8]) in Probe(on: provider, watch) }
        for size in [300_000, 3_000_000] {
            let probe = try stage.caller.class("demo/Large", of: Probe.self)([UInt8](repeating: 1, count: size))
            try await probe.add(1)
        }
        // A construction that is too large fails the calls, by the name of the limit.
        let tooLarge = try stage.caller.class("demo/Large", of: Probe.self)([UInt8](repeating: 1, count: 20_000_000))
        let error = try await failure { try await tooLarge.add(1) }
        #expect(error.code == .tooLarge && error.message.contains("maximumValue"))
        try await eventually { watch.alive == 0 }
        await stage.hub.stop()
    }

    @Test func aConstructionThatIsGivenUpLeavesNothing() async throws {
        let stage = try await Stage()
        let gate = Gate()
        let (provider, watch) = (stage.provider, stage.watch)
        try await provider.publish(class: "demo/Slow") { () async throws -> Probe in
            await gate.pass()
            return Probe(on: provider, watch)
        }
        do {
            let probe = try await withDeadline(.seconds(20)) { try stage.caller.class("demo/Slow", of: Probe.self)() }
            let error = try await failure { try await withDeadline(.milliseconds(50)) { try await probe.add(1) } }
            #expect(error.code == .deadlineExceeded)
            try await eventually { gate.arrived == 1 }
        }
        gate.open()
        try await eventually(within: .seconds(1)) {
            watch.alive == 0 && provider.session.incoming.registry.heldCount == 0 && stage.hub.statistics.created == 0
                && stage.hub.statistics.openCalls == 0
        }
        await stage.hub.stop()
    }

    @Test func aNodeServesUntilItsLastNameIsWithdrawn() async throws {
        let hub = try await startHub()
        weak var forgotten: Node?
        do {
            let node = try await hub.connect()
            forgotten = node
            // Nothing in it needs the node.
            try await node.publish(function: "demo/one") { 1 }
            try await node.publish(alias: "demo/uno", of: "demo/one")
        }
        let caller = try await hub.connect()
        let one: RemoteFunction<() -> Int> = try await caller.function("demo/uno")
        for _ in 0..<10 { #expect(try await one() == 1) }
        try await forgotten?.withdraw("demo/one")
        #expect(try await one() == 1)
        try await forgotten?.withdraw("demo/uno")
        try await eventually(within: .seconds(2)) { forgotten == nil && hub.statistics.sessions == 1 }
        // Nothing holds one that only calls.
        do { forgotten = try await hub.connect() }
        try await eventually(within: .seconds(2)) { forgotten == nil && hub.statistics.sessions == 1 }
        await hub.stop()
    }

    @Test func aNodeThatServesEndsWhenItIsShutDown() async throws {
        let hub = try await startHub()
        weak var forgotten: Node?
        do {
            let node = try await hub.connect()
            forgotten = node
            try await node.publish(Counter(on: node), as: "demo/counter")
        }
        let caller = try await hub.connect()
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        #expect(try await counter.increment(by: 1) == 1)
        await forgotten?.shutdown()
        try await eventually(within: .seconds(2)) { forgotten == nil && hub.statistics.sessions == 1 }
        await hub.stop()
    }

    @Test func theLoopOfANodeThatHasServedEndsWithIt() async throws {
        let hub = try await startHub()
        weak var loop: EventLoop?
        weak var released: Node?
        do {
            let node = try await hub.connect()
            (loop, released) = (node.executor, node)
            try await node.publish(function: "demo/one") { 1 }
            let caller = try await hub.connect()
            let one: RemoteFunction<() -> Int> = try await caller.function("demo/one")
            #expect(try await one() == 1)
            await node.close()
        }
        try await eventually(within: .seconds(2)) { released == nil && loop == nil }
        await hub.stop()
    }

    @Test func aClosedNodeHoldsNothing() async throws {
        let hub = try await startHub()
        let watch = Watch()
        weak var released: Node?
        do {
            let node = try await hub.connect()
            released = node
            try await node.publish(Probe(on: node, watch), as: "demo/probe")
            try await node.publish(class: "demo/Probe") { Probe(on: node, watch) }
            node.onStart { try await node.ping() }
            node.onShutdown { await node.close() }
            await node.close()
        }
        try await eventually(within: .seconds(1)) { watch.alive == 0 && released == nil }
        await hub.stop()
    }
}
