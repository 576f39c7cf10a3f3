import Distributed
import Synchronization
@testable import Telekinesis
import TelekinesisHub
import Testing

/// What a method still knows of a caller that has gone meanwhile.
@Suite(.timeLimit(.minutes(1))) struct CallerTests {
    @Test func ofACallerThatHasGoneItsCallStillKnowsWhoItWas() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let id = caller.id
        let stage = Stage()
        try await provider.publish(Witness(on: provider, stage), as: "demo/witness")
        let witness = try await caller.resolve("demo/witness", as: Witness.self)
        #expect(try await witness.visit() == 1)
        let lost = Task { try? await witness.stay() }
        try await eventually { stage.gate.arrived == 1 }
        await caller.close()
        try await eventually { provider.session.caller(id) == nil }
        #expect(stage.watch.alive == 1)
        stage.gate.open()
        try await eventually { stage.journal.entries.count == 2 }
        let expected = "anonymous \(id) visit"
        #expect(stage.journal.entries == ["\(expected) 2", "\(expected) 3"])
        // With its last call its state goes.
        try await eventually { stage.watch.alive == 0 }
        await lost.value
        #expect(provider.session.caller(id) == nil)
        await hub.stop()
    }

    @Test func whoComesBackUnderHisOldIdStartsAnew() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (provider, caller) = (try await hub.connect(), try await way.connect())
        let id = caller.id
        let stage = Stage()
        try await provider.publish(Witness(on: provider, stage), as: "demo/witness")
        let witness = try await caller.resolve("demo/witness", as: Witness.self)
        let lost = Task { try? await witness.stay() }
        try await eventually { stage.gate.arrived == 1 }
        way.line?.cut()
        _ = await lost.value
        #expect(try await witness.visit() == 1)
        #expect(caller.id == id)
        stage.gate.open()
        try await eventually { stage.journal.entries.count == 2 }
        #expect(stage.journal.entries.map { $0.suffix(7) } == ["visit 1", "visit 2"])
        #expect(try await witness.visit() == 2)
        try await eventually { stage.watch.alive == 1 }
        await hub.stop()
    }

    @Test func aProviderThatLosesItsConnectionKnowsItsCallersToTheEnd() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (provider, caller) = (try await way.connect(), try await hub.connect())
        let stage = Stage()
        try await provider.publish(Witness(on: provider, stage), as: "demo/witness")
        let witness = try await caller.resolve("demo/witness", as: Witness.self)
        let lost = Task { try? await witness.stay() }
        try await eventually { stage.gate.arrived == 1 }
        way.line?.cut()
        _ = await lost.value
        try await eventually { way.joins == 2 && provider.isConnected }
        stage.gate.open()
        try await eventually { stage.journal.entries.count == 2 }
        #expect(stage.journal.entries == ["anonymous \(caller.id) visit 1", "anonymous \(caller.id) visit 2"])
        try await eventually { stage.watch.alive == 0 }
        await hub.stop()
    }

    struct Stage: Sendable {
        let gate = Gate()
        let journal = Journal()
        let watch = Watch()
    }
}

/// What a connection has counted.
private final class Visits: Sendable {
    private let count = Atomic<Int>(0)
    private let watch: Watch

    init(_ watch: Watch) {
        self.watch = watch
        watch.began()
    }

    deinit { watch.ended() }

    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}

/// Looks at its caller before and after something happens.
distributed actor Witness {
    private let stage: CallerTests.Stage

    init(on node: Node, _ stage: CallerTests.Stage) {
        actorSystem = node
        self.stage = stage
    }

    distributed func visit() -> Int { CallContext.current.connectionState { [stage] in Visits(stage.watch) }.next() }

    distributed func stay() async {
        note()
        await stage.gate.pass()
        note()
    }

    private func note() {
        let context = CallContext.current
        stage.journal.note("\(context.principal?.name ?? "nobody") \(context.node?.description ?? "") visit \(visit())")
    }
}
