import Reactor
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Nodes that fail to show who they are, again and again.
@Suite(.timeLimit(.minutes(1))) struct FailedAttemptsTests {
    private let second: UInt64 = 1_000_000_000

    @Test func whoFailsTooOftenWaits() throws {
        var attempts = FailedAttempts(Rate(perSecond: 0.5, burst: 3), limit: 10)
        let (bad, good) = (try #require(PeerAddress("192.0.2.1:4000")), try #require(PeerAddress("192.0.2.2:4000")))
        for _ in 0..<3 {
            #expect(attempts.mayTry(bad, now: 0))
            attempts.note(bad, now: 0)
        }
        #expect(!attempts.mayTry(bad, now: 0) && attempts.mayTry(good, now: 0))
        #expect(!attempts.mayTry(bad, now: second) && attempts.mayTry(bad, now: 2 * second))
        // Many at once, whose outcome was not known when they began, are paid for later, but not for ever.
        for _ in 0..<1_000 { attempts.note(bad, now: 2 * second) }
        #expect(!attempts.mayTry(bad, now: 9 * second) && attempts.mayTry(bad, now: 10 * second))
    }

    @Test func memoryIsBoundedAndThoseThatGoOnAreNotForgotten() throws {
        var attempts = FailedAttempts(Rate(perSecond: 0, burst: 2), limit: 100)
        let stubborn = try #require(PeerAddress("192.0.2.1:4000"))
        for number in 0..<100_000 {
            attempts.note(try #require(PeerAddress("10.\(number >> 16).\(number >> 8 & 255).\(number & 255):1")), now: 0)
            if number % 50 == 0 { attempts.note(stubborn, now: 0) }
            #expect(attempts.count <= 200)
        }
        #expect(!attempts.mayTry(stubborn, now: 0))
    }

    @Test func addressesAreWhatTheirOwnerCannotChoose() {
        #expect(PeerAddress("192.0.2.1:1") == PeerAddress("192.0.2.1:2"))
        #expect(PeerAddress("192.0.2.1:1") != PeerAddress("192.0.2.2:1"))
        #expect(PeerAddress("[2001:db8::1]:1") == PeerAddress("[2001:db8::ffff:1]:2"))
        #expect(PeerAddress("[2001:db8::1]:1") != PeerAddress("[2001:db8:0:1::1]:1"))
        #expect(PeerAddress("[::ffff:192.0.2.1]:1") == PeerAddress("192.0.2.1:1"))
        for nobody in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "in this process", "memory:one", "", ":", "x"] {
            #expect(PeerAddress(nobody) == nil, "\(nobody)")
        }
    }

    @Test func anAddressThatFailsIsRefusedAndOthersAreNot() async throws {
        let secret = try SharedSecretForTests.make()
        let wrong = try SharedSecret(Array("something else altogether".utf8))
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock))) {
            $0.authenticator = secret
            $0.limits.failedAuthentications = Rate(perSecond: 0.1, burst: 3)
        }
        let address = "192.0.2.1:40000"
        func attempt(_ credential: SharedSecret, from address: String, ticket: [UInt8]? = nil) async throws -> SimulatedNode {
            let node = try hub.stranger(from: address, ticket: ticket, credential)
            await clock.advance(by: 0)
            return node
        }
        let known = try await attempt(secret, from: address)
        let ticket = try #require(known.welcome?.ticket)
        for _ in 0..<3 { #expect(try await attempt(wrong, from: address).end?.code == .unauthenticated) }
        // Now not even the right secret is looked at.
        let refused = try await attempt(secret, from: address)
        #expect(refused.end?.code == .overloaded && refused.welcome == nil)
        #expect(try await attempt(wrong, from: address).end?.code == .overloaded)
        // Others go on, and so do those that were let in before; a ticket that is none helps nobody.
        #expect(try await attempt(secret, from: "192.0.2.2:40000").welcome != nil)
        #expect(known.end == nil)
        #expect(try await attempt(secret, from: address, ticket: ticket).id == known.id)
        #expect(try await attempt(secret, from: address, ticket: ticket.reversed()).end?.code == .overloaded)
        await clock.advance(by: 10_000_000_000)
        #expect(try await attempt(secret, from: address).welcome != nil)
        await hub.stop()
    }

    @Test func nobodyOnThisMachineCanLockTheOthersOut() async throws {
        let secret = try SharedSecretForTests.make()
        let wrong = try SharedSecret(Array("something else altogether".utf8))
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock))) { $0.authenticator = secret }
        for _ in 0..<100 {
            let node = try hub.stranger(from: "127.0.0.1:5", wrong)
            await clock.advance(by: 0)
            #expect(node.end?.code == .unauthenticated)
        }
        let node = try hub.stranger(from: "127.0.0.1:6", secret)
        await clock.advance(by: 0)
        #expect(node.welcome != nil)
        await hub.stop()
    }
}
