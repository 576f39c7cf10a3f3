import Reactor
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Places at providers that sessions hold.
@Suite struct ReservationTests {
    let clock = VirtualClock()

    private func startHub(_ change: (inout HubConfiguration) -> Void = { _ in }) async throws -> Hub {
        try await TelekinesisHubTests.startHub(EventLoopGroup(loops: 1, clock: .virtual(clock)), change)
    }

    @Test func aReservedProviderGetsItsHoldersCallsOnly() async throws {
        let hub = try await startHub()
        let providers = try (0..<2).map { _ in try SimulatedNode(hub) }
        let (holder, other) = (try SimulatedNode(hub), try SimulatedNode(hub))
        for provider in providers { try provider.publish("gpu") }
        let held = try holder.reserve("gpu", route: 5)
        #expect(held.kind == .object && held.lease == 10_000)
        let mine = try #require(providers.first { $0.id.rawValue == held.provider })
        let free = try #require(providers.first { $0 !== mine })
        try other.resolve("gpu", route: 1)
        for _ in 0..<4 {
            other.call(.route(1))
            holder.call(.route(5))
        }
        #expect(mine.take(.call).map(\.peer) == Array(repeating: holder.id, count: 4))
        #expect(free.take(.call).map(\.peer) == Array(repeating: other.id, count: 4))
        // Given back, it is everybody's.
        #expect(try holder.refusal(HubService.unbind, UInt32(5)) == nil)
        await clock.advance(by: 0)
        for _ in 0..<4 { other.call(.route(1)) }
        #expect(mine.take(.call).count == 2 && free.take(.call).count == 2)
        #expect(hub.statistics.reservations == 0 && hub.statistics.routes == 1)
    }

    @Test func whoWantsAPlaceWaitsForOneInOrder() async throws {
        let hub = try await startHub()
        let (provider, first, second) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("gpu", concurrency: 1)
        try first.reserve("gpu", route: 1)
        let impatient = #expect(throws: TelekinesisError.self) { try second.reserve("gpu", route: 1) }
        #expect(impatient?.code == .overloaded && impatient?.message.contains("gpu") == true)
        let request = ReserveRequest(name: try ServiceName("gpu"), route: 2, wait: true, lease: 10_000)
        let waiting = try second.control(HubService.reserve, request)
        // A call of another behind it waits longer.
        try first.resolve("gpu", route: 3)
        let call = first.call(.route(3))
        #expect(hub.statistics.waitingCalls == 2)
        try first.refusal(HubService.unbind, UInt32(1)).map { throw $0 }
        await clock.advance(by: 0)
        #expect(second.answer(to: waiting)?.error == nil)
        let own = second.call(.route(2))
        #expect(provider.take(.call).map(\.call) == [own])
        // With the session, what it holds is free.
        second.close()
        await clock.advance(by: 0)
        #expect(provider.take(.call).map(\.call) == [call])
        #expect(hub.statistics.reservations == 0 && hub.statistics.waitingCalls == 0)
    }

    @Test func nobodyWaitsForAPlaceBeyondTheDeadline() async throws {
        let hub = try await startHub()
        let (provider, holder, other) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        let request = ReserveRequest(name: try ServiceName("gpu"), route: 1, wait: true, lease: 60_000)
        let unserved = try other.control(HubService.reserve, request, remaining: 1_000)
        await clock.advance(by: 1_000_000_000)
        #expect(other.answer(to: unserved)?.error?.message.contains("nobody served “gpu”") == true)
        #expect(hub.statistics.names == 0)
        try provider.publish("gpu")
        try holder.reserve("gpu", route: 1, lease: 60_000)
        let busy = try other.control(HubService.reserve, request, remaining: 1_000)
        let cancelled = try other.control(HubService.reserve, request)
        other.send(FrameWriter.frame(.cancel, call: cancelled))
        #expect(other.answer(to: cancelled)?.error?.code == .cancelled)
        await clock.advance(by: 1_000_000_000)
        let error = other.answer(to: busy)?.error
        #expect(error?.code == .deadlineExceeded && error?.message.contains("busy or reserved") == true)
        #expect(hub.statistics.reservations == 1 && hub.statistics.waitingCalls == 0 && hub.statistics.openCalls == 0)
    }

    @Test func aLeaseEndsUnlessItIsRenewed() async throws {
        let hub = try await startHub()
        let (provider, holder, other) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("gpu", concurrency: 1)
        try holder.reserve("gpu", route: 1, lease: 10_000)
        try other.resolve("gpu", route: 1)
        let waiting = other.call(.route(1), remaining: .max)
        await clock.advance(by: 8_000_000_000)
        try holder.reserve("gpu", route: 1, lease: 10_000)
        await clock.advance(by: 8_000_000_000)
        #expect(hub.statistics.reservations == 1 && provider.take(.call).isEmpty)
        await clock.advance(by: 2_000_000_000)
        #expect(hub.statistics.reservations == 0 && provider.take(.call).map(\.call) == [waiting])
        // Its calls go nowhere else, and it cannot be renewed.
        let error = holder.answer(to: holder.call(.route(1)))?.error
        #expect(error?.code == .noProvider && error?.ran == .no && error?.message.contains("reservation") == true)
        let renewal = ReserveRequest(name: try ServiceName("gpu"), route: 1, wait: false, lease: 10_000, renews: true)
        #expect(try holder.refusal(HubService.reserve, renewal)?.code == .noProvider)
        // No lease is longer than the hub allows.
        provider.reply(to: KeptFrame(bytes: FrameWriter.frame(.call, peer: other.id, call: waiting)))
        #expect(try holder.reserve("gpu", route: 2, lease: .max).lease == 60_000)
    }

    @Test func whenItsProviderGoesTheReservationEnds() async throws {
        let hub = try await startHub()
        let providers = try (0..<2).map { _ in try SimulatedNode(hub) }
        let holder = try SimulatedNode(hub)
        for provider in providers { try provider.publish("gpu", concurrency: 1) }
        let held = try holder.reserve("gpu", route: 1)
        let mine = try #require(providers.first { $0.id.rawValue == held.provider })
        let (running, waiting) = (holder.call(.route(1)), holder.call(.route(1)))
        #expect(mine.take(.call).map(\.call) == [running])
        mine.close()
        await clock.advance(by: 0)
        #expect(holder.answer(to: running)?.error?.code == .disconnected)
        let late = holder.call(.route(1))
        for call in [waiting, late] {
            let error = holder.answer(to: call)?.error
            #expect(error?.code == .noProvider && error?.ran == .no && error?.message.contains("reservation") == true)
        }
        #expect(providers.allSatisfy { $0.take(.call).isEmpty } && hub.statistics.reservations == 0)
    }

    @Test func aListSaysWhatThereIsToDo() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("gpu", concurrency: 2, balancing: .roundRobin)
        try caller.reserve("gpu", route: 1)
        try caller.resolve("gpu", route: 2)
        caller.call(.route(1))
        for _ in 0..<3 { caller.call(.route(2)) }
        let page = try caller.ask(HubService.list, ListRequest(), for: [ListedName].self)
        #expect(page.map(\.load) == [ServiceLoad(calls: 2, places: 2, waiting: 2, reservations: 1, balancing: .roundRobin)])
    }

    @Test func oneSessionHoldsSoMany() async throws {
        let hub = try await startHub { $0.limits.reservationsPerSession = 2 }
        let (provider, holder) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("gpu", concurrency: 10)
        for route in 1...2 as ClosedRange<UInt32> { try holder.reserve("gpu", route: route) }
        let error = #expect(throws: TelekinesisError.self) { try holder.reserve("gpu", route: 3) }
        #expect(error?.code == .overloaded && error?.message.contains("reservationsPerSession") == true)
        #expect(throws: TelekinesisError.self) { try holder.resolve("gpu", route: 1) }
        #expect(hub.statistics.reservations == 2 && hub.statistics.routes == 2)
        holder.close()
        await clock.advance(by: 0)
        provider.close()
        #expect(hub.statistics == HubStatistics())
    }
}
