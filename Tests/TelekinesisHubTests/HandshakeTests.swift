import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

@Suite struct HandshakeTests {
    @Test func nodeInTheHubsProcessIsTakenInAtOnce() async throws {
        let hub = try await startHub()
        let (one, two) = (try SimulatedNode(hub), try SimulatedNode(hub))
        #expect(one.welcome?.principal.name == "local" && one.id != .hub && one.id != two.id)
        #expect(one.welcome?.epoch == two.welcome?.epoch)
        #expect(hub.statistics.sessions == 2 && hub.statistics.arriving == 0)
    }

    @Test(arguments: [
        FrameType.call, .reply, .data, .credit, .end, .note, .share, .settled, .peer, .release, .welcome, .cancel, .gone, .drain, .proof,
    ])
    func nothingIsAcceptedBeforeTheWelcome(_ type: FrameType) async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(silentAt: hub)
        node.send(FrameWriter.frame(type))
        #expect(node.end?.code == .unauthenticated)
        #expect(hub.statistics == HubStatistics())
    }

    @Test func handshakeTwiceEndsTheSession() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        try node.shakeHands()
        #expect(node.end?.code == .protocolViolation && hub.statistics.sessions == 0)
    }

    @Test func bothEndsProveTheSecret() async throws {
        let secret = try SharedSecretForTests.make()
        let hub = try await startHub { $0.authenticator = secret }
        let node = try SimulatedNode(hub.board.stranger(), credentials: [OpenAccess(), secret])
        try await node.welcomed()
        #expect(node.welcome?.principal.name == "secret")
    }

    @Test func wrongSecretIsNotLetIn() async throws {
        let right = try SharedSecretForTests.make()
        let wrong = try SharedSecret(Array("something else altogether".utf8))
        let hub = try await startHub { $0.authenticator = right }
        let node = try SimulatedNode(hub.board.stranger(), credentials: [wrong])
        let error = await #expect(throws: TelekinesisError.self) { try await node.welcomed() }
        #expect(error?.code == .unauthenticated)
        let open = try? SimulatedNode(hub.board.stranger(), credentials: [OpenAccess()])
        #expect(open?.end?.code == .unauthenticated)
        #expect(hub.statistics == HubStatistics())
    }

    @Test func proofOfAnotherConnectionIsWorthNothing() async throws {
        let secret = try SharedSecretForTests.make()
        let one = Challenge(node: Array(0..<32), hub: Array(32..<64))
        let two = Challenge(node: Array(0..<32), hub: Array(64..<96))
        let proof = try secret.proof(for: one)
        #expect(try secret.authenticate(proof, for: one).principal.name == "secret")
        #expect(throws: TelekinesisError.self) { try secret.authenticate(proof, for: two) }
        // The hub's proof is not a node's, and the reverse.
        let hubProof = try secret.authenticate(proof, for: one).hubProof
        try secret.check(hubProof: hubProof, for: one)
        #expect(throws: TelekinesisError.self) { try secret.authenticate(hubProof, for: one) }
        #expect(throws: TelekinesisError.self) { try secret.check(hubProof: proof, for: one) }
        #expect(throws: TelekinesisError.self) { try secret.authenticate([], for: one) }
        // Bytes cannot move from one nonce to the other.
        let shifted = Challenge(node: Array(1..<32), hub: Array(32..<64) + [0])
        #expect(throws: TelekinesisError.self) { try secret.authenticate(proof, for: shifted) }
    }

    @Test func nothingIsAcceptedWhileAProofIsBeingLookedAt() async throws {
        let authenticator = SlowAuthenticator()
        let hub = try await startHub { $0.authenticator = authenticator }
        let node = try SimulatedNode(hub.board.stranger(), credentials: [OpenAccess()])
        node.call(.key(.control))
        #expect(node.end?.code == .unauthenticated)
        // The proof turns out to be good, for a session that is over.
        authenticator.decide()
        try await authenticator.hasDecided()
        #expect(node.welcome == nil && hub.statistics == HubStatistics())
        await hub.stop()
    }

    @Test func sessionsAreBounded() async throws {
        let hub = try await startHub { $0.limits.sessions = 2 }
        let nodes = [try SimulatedNode(hub), try SimulatedNode(silentAt: hub)]
        let error = #expect(throws: TelekinesisError.self) { try SimulatedNode(hub) }
        #expect(error?.code == .overloaded)
        nodes[1].close()
        _ = try SimulatedNode(hub)
    }
}

/// Takes its time.
private final class SlowAuthenticator: Authenticator {
    private let state = Mutex((mayDecide: false, hasDecided: false))
    let method = "open"

    func decide() { state.withLock { $0.mayDecide = true } }

    func hasDecided() async throws {
        while !state.withLock({ $0.hasDecided }) { try await Task.sleep(for: .milliseconds(1)) }
    }

    func authenticate(_ proof: [UInt8], for challenge: Challenge) async throws -> Authenticated {
        while !state.withLock({ $0.mayDecide }) { await Task.yield() }
        state.withLock { $0.hasDecided = true }
        return Authenticated(principal: Principal(name: "late"))
    }
}

@Suite struct TicketTests {
    @Test func nodeComesBackUnderItsId() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        let (id, ticket) = (node.id, try #require(node.welcome?.ticket))
        node.close()
        let again = try SimulatedNode(hub, ticket: ticket)
        #expect(again.id == id)
        #expect(again.welcome?.ticket != ticket)
    }

    @Test func anotherHubWithTheSameKeyTakesTheNodeIn() async throws {
        let directory = "/tmp/telekinesis-hub-\(UInt64.random(in: 0...UInt64.max))"
        let first = try await startHub { $0.stateDirectory = directory }
        let node = try SimulatedNode(first)
        let ticket = node.welcome?.ticket
        let id = node.id
        await first.stop()
        let second = try await startHub { $0.stateDirectory = directory }
        #expect(try SimulatedNode(second, ticket: ticket).id == id)
        let stranger = try await startHub()
        #expect(try SimulatedNode(stranger, ticket: ticket).id != id)
    }

    @Test func newerSessionTakesTheIdOver() async throws {
        let hub = try await startHub()
        let (node, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let (id, ticket) = (node.id, try #require(node.welcome?.ticket))
        try node.publish("a", .exclusive)
        caller.call(.key(.random()), at: id)
        let again = try SimulatedNode(hub, ticket: ticket)
        #expect(again.id == id && node.end?.code == .disconnected)
        #expect(caller.take(.gone).map(\.peer) == [id])
        try again.publish("a", .exclusive)
        caller.call(.key(.random()), at: id)
        #expect(again.take(.call).count == 1)
        // The ticket that was used up no longer wins against who has the id now.
        let replay = try SimulatedNode(hub, ticket: ticket)
        #expect(replay.id != id && again.end == nil)
        #expect(hub.statistics.sessions == 3)
    }

    @Test func aNodeThatStaysForLongKeepsItsIdByANewTicket() async throws {
        let now = Moment()
        let key = HubKey.random()
        func board() -> Switchboard {
            Switchboard(
                limits: HubLimits(), logger: .silent, authenticator: OpenAccess(), tickets: TicketOffice(key: key) { now.seconds })
        }
        // Each at a hub of its own that has the same key.
        func arrival(with ticket: [UInt8]? = nil) throws -> SimulatedNode {
            try SimulatedNode(HubSession(board(), loop: EventLoopGroup(loops: 1).next(), isLocal: true), ticket: ticket)
        }
        let node = try arrival()
        let first = try #require(node.welcome?.ticket)
        #expect(node.welcome?.ticketLifetime == Double(TicketOffice.lifetime))
        now.seconds += TicketOffice.lifetime - 1
        let answer = try node.ask(HubService.renewTicket, Int?.none, for: TicketAnswer.self)
        now.seconds += TicketOffice.lifetime - 1
        let (late, again) = (try arrival(with: first), try arrival(with: answer.ticket))
        #expect(answer.ticket != nil)
        #expect(late.id != node.id && again.id == node.id)
        for node in [node, late, again] { node.close() }
    }

    @Test func forgedExpiredAndForeignTicketsAreWorthNothing() throws {
        let now = Moment()
        let office = TicketOffice(key: HubKey.random()) { now.seconds }
        let (node, principal) = (NodeID.random(), Principal(name: "me"))
        let ticket = try #require(office.issue(node, principal, generation: 7))
        let good = try #require(office.check(ticket, principal))
        #expect(good.0 == node && good.generation == 7)
        #expect(office.check(ticket, Principal(name: "you")) == nil)
        #expect(TicketOffice(key: HubKey.random()) { now.seconds }.check(ticket, principal) == nil)
        for index in ticket.indices {
            var forged = ticket
            forged[index] ^= 1
            #expect(office.check(forged, principal) == nil)
            #expect(office.check([UInt8](ticket[..<index]), principal) == nil)
        }
        #expect(office.check([UInt8](repeating: 1, count: 1_000_000), principal) == nil)
        now.seconds += TicketOffice.lifetime
        #expect(office.check(ticket, principal) == nil)
    }
}
