import Reactor
import Synchronization
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
        func mayTry(_ address: PeerAddress, now: UInt64) -> Bool {
            guard attempts.begin(address, now: now) == .goesOn else { return false }
            attempts.ended(address, hasFailed: false, now: now)
            return true
        }
        for _ in 0..<3 {
            #expect(attempts.begin(bad, now: 0) == .goesOn)
            attempts.ended(bad, hasFailed: true, now: 0)
        }
        #expect(attempts.begin(bad, now: 0) == .isRefused && mayTry(good, now: 0))
        #expect(!mayTry(bad, now: second) && mayTry(bad, now: 2 * second))
        // Those that go on in any case are paid for later, but not for ever.
        for _ in 0..<1_000 {
            #expect(attempts.begin(bad, isKnown: true, now: 2 * second) == .goesOn)
            attempts.ended(bad, hasFailed: true, now: 2 * second)
        }
        #expect(!mayTry(bad, now: 9 * second) && mayTry(bad, now: 10 * second))
    }

    @Test func asManyAreUnderWayAsMayFail() throws {
        var attempts = FailedAttempts(Rate(perSecond: 0, burst: 3), limit: 10)
        let address = try #require(PeerAddress("192.0.2.1:4000"))
        for _ in 0..<3 { #expect(attempts.begin(address, now: 0) == .goesOn) }
        #expect(attempts.begin(address, now: 0) == .waits)
        attempts.ended(address, hasFailed: false, now: 0)
        #expect(attempts.begin(address, now: 0) == .goesOn)
        attempts.ended(address, hasFailed: true, now: 0)
        // One has failed, and two more may.
        #expect(attempts.begin(address, now: 0) == .waits)
        for _ in 0..<2 { attempts.ended(address, hasFailed: true, now: 0) }
        #expect(attempts.begin(address, now: 0) == .isRefused)
    }

    @Test func memoryIsBoundedAndThoseThatGoOnAreNotForgotten() throws {
        var attempts = FailedAttempts(Rate(perSecond: 0, burst: 2), limit: 100)
        let stubborn = try #require(PeerAddress("192.0.2.1:4000"))
        for number in 0..<100_000 {
            let address = try #require(PeerAddress("10.\(number >> 16).\(number >> 8 & 255).\(number & 255):1"))
            for address in number % 50 == 0 ? [address, stubborn] : [address] {
                _ = attempts.begin(address, isKnown: true, now: 0)
                attempts.ended(address, hasFailed: true, now: 0)
            }
            #expect(attempts.count <= 200)
        }
        #expect(attempts.begin(stubborn, now: 0) == .isRefused)
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

    @Test func guessesThatComeAtOnceAreNotMoreThanOneAfterTheOther() async throws {
        let door = Door()
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock))) {
            $0.authenticator = door
            $0.limits.failedAuthentications = Rate(perSecond: 0, burst: 3)
        }
        let secret = try SharedSecretForTests.make()
        func arrivals() async throws -> [SimulatedNode] {
            let nodes = try (0..<8).map { try hub.stranger(from: "192.0.2.1:\($0)", secret) }
            await clock.advance(by: 0)
            return nodes
        }
        // Honest ones take turns.
        let honest = try await arrivals()
        #expect(door.waiting == 3)
        for left in [5, 2, 0] {
            door.decide(true)
            await clock.advance(by: 50_000_000)
            #expect(honest.count { $0.welcome == nil } == left)
        }
        // Of those that fail the rest is refused, without having been looked at.
        let guesses = try await arrivals()
        #expect(door.waiting == 3)
        door.decide(false)
        await clock.advance(by: 50_000_000)
        let ends = guesses.map { $0.end?.code }
        #expect(ends.count { $0 == .unauthenticated } == 3 && ends.count { $0 == .overloaded } == 5 && door.waiting == 0)
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

/// Lets those that wait in, or not, when it is told to.
private final class Door: Authenticator {
    private let queue = Mutex<[CheckedContinuation<Bool, Never>]>([])
    let method = "secret"

    var waiting: Int { queue.withLock { $0.count } }

    func decide(_ isRight: Bool) {
        let all = queue.withLock { queue in
            defer { queue = [] }
            return queue
        }
        for one in all { one.resume(returning: isRight) }
    }

    func authenticate(_ proof: [UInt8], for challenge: Challenge) async throws -> Authenticated {
        let isRight = await withCheckedContinuation { continuation in queue.withLock { $0.append(continuation) } }
        guard isRight else { throw TelekinesisError(.unauthenticated, "wrong") }
        return Authenticated(
            principal: Principal(name: "secret"), hubProof: try SharedSecretForTests.make().authenticate(proof, for: challenge).hubProof)
    }
}
