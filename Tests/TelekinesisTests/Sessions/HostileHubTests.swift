import Distributed
import MessagePack
import Reactor
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What a node takes from whoever stands where its hub should be, and from peers beyond it.
@Suite(.timeLimit(.minutes(1))) struct HostileHubTests {
    @Test func nothingIsTakenFromAHubBeforeItHasLetTheNodeIn() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        try await node.ping()
        let ping = try #require(hub.take(.call).last).call
        // The next call waits for the hub to come back, and has the number that follows.
        let forged = FrameWriter.frame(.reply, call: ping + 1, body: [0, 0xc0])
        hub.greetNext(with: [forged])
        hub.cut()
        let error = try await #require(throws: TelekinesisError.self) { try await node.ping() }
        #expect(error.code == .protocolViolation)
        #expect(hub.joins == 2)
    }

    @Test(arguments: [
        FrameType.call, .reply, .data, .credit, .end, .note, .share, .settled, .peer, .release, .welcome, .cancel, .gone, .drain, .proof,
    ])
    func noFrameOfASessionPassesForAHandshake(_ type: FrameType) async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let node = try await Node.connect(hub)
        hub.greetNext(with: [FrameWriter.frame(type, peer: NodeID(rawValue: 77), call: 1)])
        hub.cut()
        let waiting = Task { try await node.ping() }
        await clock.advance(by: 60_000_000)
        #expect(hub.joins == 2)
        let error = await #expect(throws: TelekinesisError.self) { try await waiting.value }
        #expect(error?.code == .protocolViolation && error?.ran == .no)
        #expect(node.session.incoming.counts == [0, 0, 0, 0])
        // The next one who answers may be the hub again.
        await clock.advance(by: 2_000_000_000)
        #expect(hub.joins == 3)
        try await node.ping()
        await node.close()
    }

    @Test func whatAStrangerSaysIsShortAndPrintable() async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let node = try await Node.connect(hub)
        hub.greetAll(with: [Handshake.bye(TelekinesisError(.forbidden, "\u{1b}[2J" + String(repeating: "go away\n", count: 5_000)))])
        hub.cut()
        let waiting = Task { try await node.ping() }
        await clock.advance(by: 1_000_000_000)
        let error = await #expect(throws: TelekinesisError.self) { try await waiting.value }
        let text = "\(try #require(error))"
        #expect(text.utf8.count < 2_000 && text.contains("go away") && !text.unicodeScalars.contains { $0.value < 32 })
        await node.close()
    }

    @Test(arguments: TelekinesisError.Code.allCases)
    func aGoodbyeBeforeTheWelcomeEndsNothingForGood(_ code: TelekinesisError.Code) async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let node = try await Node.connect(hub)
        // Whoever answers at that address may be a stranger.
        hub.greetNext(with: [Handshake.bye(TelekinesisError(code, "go away"))])
        hub.cut()
        await clock.advance(by: 60_000_000)
        #expect(hub.joins == 2)
        await clock.advance(by: 2_000_000_000)
        #expect(hub.joins == 3)
        try await node.ping()
        await node.close()
    }

    @Test(arguments: [TelekinesisError.Code.unauthenticated, .forbidden, .unsupported, .invalidUse, .protocolViolation])
    func aNodeThatIsRefusedTellsItsCallersAndTriesEverLessOften(_ code: TelekinesisError.Code) async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let node = try await Node.connect(hub)
        let refusal = Handshake.bye(TelekinesisError(code, "go away", ran: .maybe))
        hub.greetAll(with: [refusal])
        hub.cut()
        let waiting = Task { try await node.ping() }
        await clock.advance(by: 1_000_000_000)
        for call in [waiting, Task { try await node.ping() }] {
            let error = await #expect(throws: TelekinesisError.self) { try await call.value }
            #expect(error?.code == code && error?.ran == .no && error?.message == "go away")
        }
        await clock.advance(by: 600_000_000_000)
        // 1, 2, 4 … 60 seconds at the most, half of that at the least.
        #expect((12...30).contains(hub.joins))
        hub.greetAll(with: nil)
        await clock.advance(by: 60_000_000_000)
        try await node.ping()
        await node.close()
    }

    @Test(arguments: [TelekinesisError.Code.overloaded, .draining, .disconnected, .internalError])
    func callsWaitForAHubThatHasNoRoomJustNow(_ code: TelekinesisError.Code) async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let node = try await Node.connect(hub)
        hub.greetAll(with: [Handshake.bye(TelekinesisError(code, "not now"))])
        hub.cut()
        let waiting = Task { try await node.ping() }
        await clock.advance(by: 10_000_000_000)
        #expect(hub.joins > 4)
        hub.greetAll(with: nil)
        await clock.advance(by: 10_000_000_000)
        _ = try await waiting.value
        await node.close()
    }

    @Test func aHandleThatAnotherTaskIsAboutToBindIsBoundInFrontOfTheCall() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        // Another task has chosen the handle, and has not said so to the hub yet.
        let route = node.session.route(try ServiceName("Class"))
        _ = try node.class("Class", of: Simple.self)()
        let calls = hub.take(.call)
        #expect(calls.map(\.selector) == [HubService.resolve.rawValue, ObjectService.create.rawValue])
        #expect(try calls.first?.argument(ResolveRequest.self).route == route.handle)
        // Once is enough.
        _ = try node.class("Class", of: Simple.self)()
        #expect(!hub.take(.call).contains { $0.selector == HubService.resolve.rawValue })
    }
}

distributed actor Simple {
    init(on node: Node) { actorSystem = node }

    distributed func answer() -> Int { 42 }
}
