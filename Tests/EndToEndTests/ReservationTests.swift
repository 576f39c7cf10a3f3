import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Providers that a caller holds for a while.
@Suite(.timeLimit(.minutes(1))) struct ReservationTests {
    /// A provider of `demo/gpu`.
    private func provider(_ hub: Hub, concurrency: Int? = nil) async throws -> Node {
        let node = try await hub.connect()
        try await node.publish(Gpu(on: node), as: "demo/gpu", .shared, concurrency: concurrency)
        return node
    }

    @Test func callsOfAReservationGoToOneProviderAndNobodyElsesDo() async throws {
        let hub = try await startHub()
        let providers = [try await provider(hub), try await provider(hub)]
        let (holder, other) = (try await hub.connect(), try await hub.connect())
        let reservation = try await holder.reserve("demo/gpu", as: Gpu.self)
        let mine = try await reservation.object.place()
        let shared = try await other.resolve("demo/gpu", as: Gpu.self)
        for _ in 0..<10 {
            #expect(try await reservation.object.place() == mine)
            #expect(try await shared.place() != mine)
        }
        await reservation.release()
        #expect(hub.statistics.reservations == 0)
        let released = try await failure { try await reservation.object.place() }
        #expect(released.code == .invalidUse && released.ran == .no)
        var places: Set<UInt64> = []
        for _ in 0..<10 { places.insert(try await shared.place()) }
        #expect(places == Set(providers.map(\.id.rawValue)))
        await hub.stop()
    }

    @Test func whoeverWantsOneWaitsUntilAnotherLetsGo() async throws {
        let hub = try await startHub()
        let provider = try await provider(hub, concurrency: 1)
        let (first, second) = (try await hub.connect(), try await hub.connect())
        var reservation: Reservation<Gpu>? = try await first.reserve("demo/gpu", as: Gpu.self)
        let busy = try await failure { try await second.reserve("demo/gpu", as: Gpu.self, waitingUpTo: .zero) }
        #expect(busy.code == .overloaded && busy.message.contains("demo/gpu"))
        let late = try await failure { try await second.reserve("demo/gpu", as: Gpu.self, waitingUpTo: .milliseconds(50)) }
        #expect(late.code == .noProvider && late.message.contains("demo/gpu"))
        async let place = second.withReservation(of: "demo/gpu", as: Gpu.self) { gpu in try await gpu.place() }
        try await eventually { hub.statistics.waitingCalls == 1 }
        // Dropped, not released: the proxy alone holds it, too.
        var object = reservation?.object
        reservation = nil
        #expect(try await object?.place() == provider.id.rawValue && hub.statistics.reservations == 1)
        object = nil
        #expect(try await place == provider.id.rawValue)
        try await eventually { hub.statistics.reservations == 0 && hub.statistics.routes == 0 }
        await hub.stop()
    }

    @Test func aScopeReleasesHoweverItEnds() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await provider(hub, concurrency: 1), try await hub.connect())
        await #expect(throws: Trouble(message: "no")) {
            try await caller.withReservation(of: "demo/gpu", as: Gpu.self) { _ in throw Trouble(message: "no") }
        }
        #expect(hub.statistics.reservations == 0)
        let gate = Gate()
        let task = Task {
            try await caller.withReservation(of: "demo/gpu", as: Gpu.self) { gpu in
                await gate.pass()
                return try await gpu.place()
            }
        }
        try await eventually { gate.arrived == 1 }
        #expect(hub.statistics.reservations == 1)
        task.cancel()
        gate.open()
        let unsent = try await failure { try await task.value }
        #expect(unsent.code == .cancelled && unsent.ran == .no)
        try await eventually { hub.statistics.reservations == 0 }
        // So does a wait that is given up.
        let held = try await caller.reserve("demo/gpu", as: Gpu.self)
        let waiting = Task { try await caller.reserve("demo/gpu", as: Gpu.self) }
        try await eventually { hub.statistics.waitingCalls == 1 }
        waiting.cancel()
        await #expect(throws: TelekinesisError.self) { _ = try await waiting.value }
        await held.release()
        try await eventually { hub.statistics.reservations == 0 && hub.statistics.waitingCalls == 0 }
        _ = provider
        await hub.stop()
    }

    @Test func aReservationEndsWithItsTimeAndWithItsHolder() async throws {
        let hub = try await startHub()
        let provider = try await provider(hub, concurrency: 1)
        let (first, second) = (try await hub.connect(), try await hub.connect())
        let short = try await first.reserve("demo/gpu", as: Gpu.self, for: .milliseconds(100))
        let next = try await second.reserve("demo/gpu", as: Gpu.self, waitingUpTo: .seconds(20))
        let over = try await failure { try await short.object.place() }
        #expect(over.code == .noProvider && over.ran == .no && over.message.contains("time"))
        await second.close()
        let third = try await first.reserve("demo/gpu", as: Gpu.self, waitingUpTo: .seconds(20))
        #expect(try await third.object.place() == provider.id.rawValue)
        _ = next
        await hub.stop()
    }

    @Test func whenTheProviderDiesTheCallsFailAndGoNowhereElse() async throws {
        let hub = try await startHub()
        let gate = Gate()
        var providers: [UInt64: Node] = [:]
        for _ in 0..<2 {
            let node = try await hub.connect()
            try await node.publish(Gpu(on: node, gate), as: "demo/gpu", .shared)
            providers[node.id.rawValue] = node
        }
        let caller = try await hub.connect()
        let reservation = try await caller.reserve("demo/gpu", as: Gpu.self)
        let mine = try await reservation.object.place()
        async let running = failure { try await reservation.object.wait() }
        try await eventually { gate.arrived == 1 }
        await providers[mine]?.close()
        let lost = try await running
        #expect(lost.code == .disconnected && lost.ran == .maybe)
        for _ in 0..<3 {
            let error = try await failure { try await reservation.object.place() }
            #expect(error.code == .noProvider && error.ran == .no && error.message.contains("reservation"))
        }
        // Another one can be had.
        let second = try await caller.reserve("demo/gpu", as: Gpu.self)
        #expect(try await second.object.place() != mine)
        gate.open()
        await hub.stop()
    }

    @Test func aReservationEndsWithTheConnection() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (provider, caller) = (try await hub.connect(), try await way.connect())
        try await provider.publish(Gpu(on: provider), as: "demo/gpu", concurrency: 1)
        let reservation = try await caller.reserve("demo/gpu", as: Gpu.self)
        _ = try await reservation.object.place()
        way.line?.cut()
        try await eventually { way.joins == 2 && caller.isConnected }
        let error = try await failure { try await reservation.object.place() }
        #expect(error.code == .noProvider && error.ran == .no && error.message.contains("connection"))
        try await eventually { hub.statistics.reservations == 0 }
        let again = try await caller.reserve("demo/gpu", as: Gpu.self, waitingUpTo: .seconds(20))
        _ = try await again.object.place()
        await hub.stop()
    }

    @Test func whatIsNoObjectAndWhatIsReservedIsNotHandedOver() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        try await provider.publish(function: "demo/hello") { "hello" }
        let function = try await failure { try await caller.reserve("demo/hello", as: Probe.self) }
        #expect(function.code == .invalidUse && function.message.contains("function"))
        let probe = try await caller.reserve("demo/probe", as: Probe.self)
        let handed = try await failure { try await probe.object.take(probe.object) }
        #expect(handed.code == .invalidUse && handed.message.contains("reserved"))
        // Its result is an object like any other, and outlives the reservation.
        let me = try await probe.object.me()
        await probe.release()
        try await me.add(1)
        try await eventually { hub.statistics.reservations == 0 }
        await hub.stop()
    }
}

/// Something of which there are few.
distributed actor Gpu {
    private let gate: Gate?

    init(on node: Node, _ gate: Gate? = nil) {
        actorSystem = node
        self.gate = gate
    }

    /// The node that it is on.
    distributed func place() -> UInt64 { actorSystem.id.rawValue }

    distributed func wait() async { await gate?.pass() }
}
