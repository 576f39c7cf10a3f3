import MessagePack
import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

@Suite struct BackoffTests {
    @Test func waitsGrowUntilAConnectionHasStood() {
        var generator = SystemRandomNumberGenerator()
        var backoff = Backoff(first: 100, longest: 1_000)
        // A hub that takes a node in and drops it at once is not asked ever more often.
        for step: UInt64 in [100, 200, 400, 800, 1_000, 1_000] {
            #expect((step / 2...step).contains(backoff.delay(using: &generator)))
            backoff.stood(for: 999)
        }
        backoff.stood(for: 1_000)
        #expect((50...100).contains(backoff.delay(using: &generator)))
    }
}

@Suite(.timeLimit(.minutes(1))) struct TicketRenewalTests {
    @Test func aNodeThatStaysForLongShowsItsNewestTicket() async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        hub.welcome {
            $0.ticket = [1]
            $0.ticketLifetime = 3_000
        }
        try hub.answer(HubService.renewTicket, with: TicketAnswer(ticket: [2]))
        let node = try await Node.connect(hub)
        func renewals() -> Int { hub.take(.call).count { $0.selector == HubService.renewTicket.rawValue } }
        await clock.advance(by: 999_000_000_000)
        #expect(renewals() == 0)
        await clock.advance(by: 2_000_000_000)
        #expect(renewals() == 1)
        #expect(node.session.state.withLock { $0.ticket } == [2])
        // Again and again, and on the next connection as well, but once for all connections.
        await clock.advance(by: 2_000_000_000_000)
        #expect(renewals() == 2)
        hub.cut()
        await clock.advance(by: 10_000_000_000)
        let hello = try #require(hub.take(.hello).last)
        #expect(try MessagePackDecoder().decode(NodeHello.self, from: hello.body).ticket == [2])
        await clock.advance(by: 1_000_000_000_000)
        #expect(renewals() == 1)
        await node.close()
    }

    @Test(arguments: [0, -1, 1e-9, .infinity, .nan, 1e300])
    func aHubCannotMakeANodeAskWithoutEnd(_ lifetime: Double) async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        hub.welcome {
            $0.ticket = [1]
            $0.ticketLifetime = lifetime
        }
        let node = try await Node.connect(hub)
        await clock.advance(by: 130_000_000_000)
        #expect(hub.take(.call).count { $0.selector == HubService.renewTicket.rawValue } <= 2)
        await node.close()
    }
}

@Suite(.timeLimit(.minutes(1))) struct RebindingTests {
    /// The handles that the hub was asked to bind and to unbind since the last time.
    private func words(_ hub: ScriptedHub) throws -> (bound: [UInt32], unbound: [UInt32]) {
        let calls = hub.take(.call)
        return (
            try calls.filter { $0.selector == HubService.resolve.rawValue }.map { try $0.argument(ResolveRequest.self).route },
            try calls.filter { $0.selector == HubService.unbind.rawValue }.map { try $0.argument() }
        )
    }

    @Test func aNameThatIsOnlyUsedWhileTheConnectionOpensIsUnboundAgain() async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let node = try await Node.connect(hub)
        try await node.publish(function: "one") { 1 }
        // All names are bound again by then, and the session is not open yet.
        let handle = Atomic<UInt32>(0)
        hub.surprise(HubService.publish) {
            let route = try? node.session.boundRoute(ServiceName("brief"))
            handle.store(route?.handle ?? 0, ordering: .relaxed)
        }
        hub.cut()
        await clock.advance(by: 10_000_000_000)
        let words = try words(hub)
        #expect(words.bound == [handle.load(ordering: .relaxed)] && words.unbound == words.bound)
        await node.close()
    }

    @Test func aNameThatIsOnlyUsedWhileThereIsNoConnectionIsNotBound() async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let node = try await Node.connect(hub)
        hub.greetAll(with: [Handshake.bye(TelekinesisError(.draining, "not now"))])
        hub.cut()
        _ = node.session.boundRoute(try ServiceName("left"))
        let kept = node.session.boundRoute(try ServiceName("kept"))
        hub.greetAll(with: nil)
        _ = hub.take(.call)
        await clock.advance(by: 10_000_000_000)
        let words = try words(hub)
        #expect(words.bound == [kept.handle] && words.unbound.isEmpty)
        await node.close()
    }

    @Test func aNodeThatIsClosedWhileItWaitsForTheNextAttemptEndsAtOnce() async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        weak var session: NodeSession?
        do {
            let node = try await Node.connect(hub)
            session = node.session
            hub.greetAll(with: [Handshake.bye(TelekinesisError(.forbidden, "go away"))])
            hub.cut()
            await clock.advance(by: 100_000_000_000)
            await node.close()
        }
        // Not a moment passes.
        await clock.advance(by: 0)
        try await eventually { session == nil }
    }
}
