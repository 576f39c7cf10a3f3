import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Who gets a call: providers, limits, reservations and the queue of one name, without any I/O.
@Suite struct ChoosingTests {
    @Test func callsWaitInOrderForAPlace() async throws {
        let name = try await NameModel()
        let provider = name.publish(concurrency: 2)
        let calls = (0..<5).map { _ in name.call() }
        #expect(name.running(at: provider) == [calls[0], calls[1]])
        name.finish(calls[1])
        #expect(name.running(at: provider) == [calls[0], calls[2]])
        name.finish(calls[0])
        name.finish(calls[2])
        #expect(name.running(at: provider) == [calls[3], calls[4]] && name.waiting.isEmpty)
    }

    @Test func whoComesBeforeAPlaceIsGivenAwayGoesBehind() async throws {
        let name = try await NameModel()
        let provider = name.publish(concurrency: 1)
        let calls = (0..<2).map { _ in name.call() }
        name.isSlow = true
        name.finish(calls[0])
        let late = name.call()
        #expect(name.reserve() == nil && name.waiting == [calls[1], late])
        name.isSlow = false
        #expect(name.running(at: provider) == [calls[1]] && name.waiting == [late])
    }

    @Test func aFullProviderIsPassedByForOneWithRoom() async throws {
        let name = try await NameModel()
        let (small, large) = (name.publish(concurrency: 1), name.publish())
        for _ in 0..<6 { name.call() }
        #expect(name.running(at: small).count == 1 && name.running(at: large).count == 5)
    }

    @Test func turnsAreTakenWhateverThereIsToDo() async throws {
        let name = try await NameModel()
        let providers = (0..<3).map { _ in name.publish(balancing: .roundRobin) }
        let calls = (0..<3).map { _ in name.call() }
        let idle = try #require(providers.first { name.running(at: $0) == [calls[0]] })
        name.finish(calls[0])
        for _ in 0..<6 { name.call() }
        #expect(name.running(at: idle).count == 2)
        #expect(providers.map { name.running(at: $0).count }.sorted() == [2, 3, 3])
    }

    @Test func aKeyStaysWithItsProviderAndOnlyAShareMoves() async throws {
        let name = try await NameModel()
        let providers = (0..<4).map { _ in name.publish() }
        func places() -> [ObjectIdentifier] {
            (0..<1_000).map { key in
                let call = name.call(.sticky(hash("user-\(key)")))
                defer { name.finish(call) }
                return ObjectIdentifier(name.provider(of: call) ?? providers[0])
            }
        }
        let before = places()
        #expect(places() == before)
        for provider in providers { #expect((180...320).contains(before.count { $0 == ObjectIdentifier(provider) })) }

        // One goes: only its keys move, and to all the others.
        name.withdraw(providers[0])
        let after = places()
        for (old, new) in zip(before, after) where old != ObjectIdentifier(providers[0]) { #expect(old == new) }
        #expect(Set(after).count == 3)

        // One comes: it takes its share, and nothing moves between the others.
        let fifth = name.publish()
        let later = places()
        for (old, new) in zip(after, later) where old != new { #expect(new == ObjectIdentifier(fifth)) }
        #expect((150...350).contains(later.count { $0 == ObjectIdentifier(fifth) }))
    }

    @Test func aKeyWaitsForItsProviderAndHoldsNobodyUp() async throws {
        let name = try await NameModel()
        let providers = (0..<2).map { _ in name.publish(concurrency: 1) }
        let first = name.call(.sticky(hash("k")))
        let home = try #require(name.provider(of: first))
        let second = name.call(.sticky(hash("k")))
        let other = name.call()
        #expect(name.waiting == [second])
        #expect(name.provider(of: other) === providers.first { $0 !== home })
        // When its provider goes, another has the key.
        name.finish(other)
        #expect(name.waiting == [second])
        name.withdraw(home)
        #expect(name.waiting.isEmpty && name.provider(of: second) != nil)
    }

    @Test func aReservedProviderIsItsHoldersAlone() async throws {
        let name = try await NameModel()
        let providers = (0..<2).map { _ in name.publish() }
        let seat = try #require(name.reserve())
        let reserved = try #require(seat.whole)
        let other = try #require(providers.first { $0 !== reserved })
        for _ in 0..<4 { name.call() }
        #expect(name.running(at: other).count == 4)
        let mine = (0..<3).map { _ in name.call(.reserved(seat)) }
        #expect(mine.allSatisfy { name.provider(of: $0) === seat })

        // All reserved: the others wait until somebody lets go.
        let second = try #require(name.reserve())
        #expect(name.reserve() == nil)
        let waiting = name.call()
        #expect(name.waiting == [waiting])
        name.end(second)
        #expect(name.provider(of: waiting) === other)
    }

    @Test func aReservationHoldsOnePlaceAmongMany() async throws {
        let name = try await NameModel()
        let provider = name.publish(concurrency: 3)
        let seat = try #require(name.reserve())
        let others = (0..<3).map { _ in name.call() }
        #expect(name.running(at: provider) == [others[0], others[1]])
        // The held place is free for its holder, a second one is not.
        let mine = (0..<2).map { _ in name.call(.reserved(seat)) }
        #expect(name.running(at: seat) == [mine[0]] && name.waiting == [others[2], mine[1]])
        name.finish(others[0])
        #expect(name.waiting == [mine[1]])
        name.finish(mine[0])
        #expect(name.running(at: seat) == [mine[1]])
        name.end(seat)
        // What runs keeps its place until it ends.
        let last = name.call()
        #expect(name.waiting == [last])
        name.finish(mine[1])
        #expect(name.waiting.isEmpty)
    }

    @Test func callsOfAReservationFailWithItAndGoNowhereElse() async throws {
        let name = try await NameModel()
        _ = name.publish(concurrency: 1)
        let other = name.publish(concurrency: 1)
        let seat = try #require(name.reserve())
        let whole = try #require(seat.whole)
        let calls = (0..<3).map { _ in name.call(.reserved(seat)) }
        #expect(name.waiting == [calls[1], calls[2]])
        name.withdraw(whole)
        #expect(name.failed == [calls[1]: .reservationEnded, calls[2]: .reservationEnded])
        #expect(name.call(.reserved(seat)) == name.failed.keys.max())
        #expect(whole === other || name.running(at: other).isEmpty)
    }

    @Test func whoMayNotWaitForAProviderFailsWhenTheLastOneGoes() async throws {
        let name = try await NameModel()
        let provider = name.publish(concurrency: 1)
        _ = name.call()
        let (patient, impatient) = (name.call(mayWait: true), name.call())
        name.withdraw(provider)
        #expect(name.failed == [impatient: .nobody] && name.waiting == [patient])
        let next = name.publish(concurrency: 1)
        #expect(name.running(at: next) == [patient])
    }

    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func limitsHoldNobodyStarvesAndEachCallEndsOnce(_ seed: UInt64) async throws {
        var random = Seeded(state: seed)
        let name = try await NameModel()
        for _ in 0..<3 { _ = name.publish(concurrency: Int.random(in: 1...3, using: &random)) }
        for _ in 0..<600 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0 where name.state.providers.count < 6:
                let concurrency = Bool.random(using: &random) ? Int.random(in: 1...4, using: &random) : nil
                _ = name.publish(concurrency: concurrency, balancing: Bool.random(using: &random) ? .roundRobin : nil)
            case 1: if let provider = name.state.providers.randomElement(using: &random) { name.withdraw(provider) }
            case 2: _ = name.reserve()
            case 3: if let seat = name.state.seats.randomElement(using: &random) { name.end(seat) }
            case 4: if let call = name.waiting.randomElement(using: &random) { name.cancel(call) }
            case 5...11:
                let wish: Wish =
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: .sticky(hash("\(Int.random(in: 0..<5, using: &random))"))
                    case 1: name.seats.randomElement(using: &random).map { .reserved($0) } ?? .any
                    default: .any
                    }
                name.call(wish, mayWait: Int.random(in: 0..<3, using: &random) == 0)
            default: if let call = name.running.keys.sorted().randomElement(using: &random) { name.finish(call) }
            }
            name.isSlow = Int.random(in: 0..<4, using: &random) == 0
            name.check()
        }
        name.isSlow = false
        // All that run end; whoever waits then waits for a provider, and nobody when there is one.
        for seat in name.state.seats { name.end(seat) }
        _ = name.publish()
        while let call = name.running.keys.min() { name.finish(call) }
        #expect(name.waiting.isEmpty && name.ended.count == name.count)
        for provider in name.state.providers { #expect(provider.load == 0 && provider.reservations.load(ordering: .relaxed) == 0) }
    }
}

/// A name, and beside it what a simple-minded model knows of it.
private final class NameModel {
    var state = NameState()
    private let hub: Hub
    private let entry: NameEntry
    private let caller: HubSession
    private(set) var count: CallID = 0
    /// Where each call runs: a provider, or a reservation.
    private(set) var running: [CallID: Provider] = [:]
    /// What waits, in order.
    private(set) var waiting: [CallID] = []
    private(set) var failed: [CallID: NameState.Hopelessness] = [:]
    private(set) var ended: Set<CallID> = []
    private(set) var seats: [Provider] = []
    private var all: [Provider] = []
    /// Whether those who wait are seen to later, as they are at the hub.
    var isSlow = false {
        didSet { if !isSlow { serve() } }
    }
    private var wishes: [CallID: (wish: Wish, mayWait: Bool)] = [:]

    init() async throws {
        hub = try await startHub()
        entry = NameEntry(try ServiceName("work"))
        caller = try hub.board.stranger()
    }

    // MARK: Events

    func publish(concurrency: Int? = nil, balancing: Balancing? = nil) -> Provider {
        let request = PublishRequest(
            name: entry.name, key: .random(), kind: .object, sharing: .shared, concurrency: concurrency, balancing: balancing)
        // A session may serve a name once; the link stands for nothing here.
        guard let other = try? hub.board.stranger() else { fatalError("a hub in a test has room") }
        let link = LocalLink.pair().0
        link.close(TelekinesisError(.disconnected, "the test needs none"))
        let provider = Provider(
            session: other, node: .random(), link: link, key: .random(), entry: entry, concurrency: concurrency ?? .max)
        guard case .added = state.publish(provider, request, by: Principal(name: "test"), now: 0, sharesWith: { _ in true }) else {
            Issue.record("a shared name takes any number of providers")
            return provider
        }
        all.append(provider)
        serve()
        return provider
    }

    func withdraw(_ provider: Provider) {
        state.remove(provider)
        serve()
    }

    @discardableResult
    func call(_ wish: Wish = .any, mayWait: Bool = false) -> CallID {
        count += 1
        wishes[count] = (wish, mayWait)
        switch state.place(wish) {
        case .at(let provider): start(count, at: provider)
        case .hopeless(.nobody) where mayWait: wait(count, wish, mayWait)
        case .hopeless(let reason): fail(count, reason)
        case .busy: wait(count, wish, mayWait)
        }
        return count
    }

    func finish(_ call: CallID) {
        guard let provider = running.removeValue(forKey: call) else { return }
        end(call)
        if state.ended(provider) { serve() }
    }

    func cancel(_ call: CallID) {
        #expect(state.stopWaiting(call, of: caller) != nil)
        waiting.removeAll { $0 == call }
        end(call)
    }

    func reserve() -> Provider? {
        let seat = state.reserve()
        if let seat { seats.append(seat) }
        return seat
    }

    func end(_ seat: Provider) {
        if state.endReservation(seat) { serve() }
    }

    // MARK: What is known

    func running(at provider: Provider) -> [CallID] { running.filter { $0.value === provider }.keys.sorted() }

    func provider(of call: CallID) -> Provider? { running[call] }

    /// What must hold after every event.
    func check() {
        guard !isSlow else { return }
        for provider in all {
            let own = running(at: provider).count
            let held = seats.filter { $0.whole === provider }
            let theirs = held.reduce(0) { $0 + running(at: $1).count }
            let idle = held.count { !$0.isOver && running(at: $0).isEmpty }
            #expect(own + theirs + idle <= provider.concurrency)
            #expect(provider.outstanding.load(ordering: .relaxed) == own)
            #expect(provider.held.load(ordering: .relaxed) == theirs + idle)
        }
        // Nobody waits who could go.
        for call in waiting {
            switch wishes[call]?.wish {
            case .any: #expect(!state.providers.contains { hasRoom($0) })
            case .reserved(let seat): #expect(!seat.isOver && seat.concurrency != .max && !running(at: seat).isEmpty)
            default: break
            }
            #expect(!state.providers.isEmpty || wishes[call]?.mayWait == true)
        }
        #expect(state.waiting.count == waiting.count)
    }

    private func hasRoom(_ provider: Provider) -> Bool {
        let held = seats.filter { $0.whole === provider }
        if provider.concurrency == .max { return held.allSatisfy(\.isOver) }
        let places = held.reduce(0) { $0 + max(running(at: $1).count, $1.isOver ? 0 : 1) }
        return running(at: provider).count + places < provider.concurrency
    }

    // MARK: What the hub does

    private func start(_ call: CallID, at provider: Provider) {
        if let wish = wishes[call]?.wish, case .reserved(let seat) = wish { #expect(provider === seat) }
        if provider.concurrency == .max, provider.whole == nil {
            #expect(!seats.contains { $0.whole === provider && !$0.isOver })
        }
        running[call] = provider
    }

    private func wait(_ call: CallID, _ wish: Wish, _ mayWait: Bool) {
        do throws(TelekinesisError) {
            let waitingCall = WaitingCall(
                caller: caller, id: call, purpose: .route, wish: wish, mayWait: mayWait, resultKey: nil, deadline: .max, frames: [1])
            try state.wait(waitingCall, limits: HubLimits())
            waiting.append(call)
        } catch {
            Issue.record(error)
        }
    }

    private func fail(_ call: CallID, _ reason: NameState.Hopelessness) {
        failed[call] = reason
        end(call)
    }

    private func end(_ call: CallID) { #expect(ended.insert(call).inserted) }

    private func serve() {
        guard !isSlow else { return }
        while let departure = state.next() {
            switch departure {
            case .goes(let call, let provider):
                guard let provider else {
                    Issue.record("a call leaves without a provider")
                    return
                }
                let earlier = waiting.prefix { $0 != call.id }
                // Nobody overtakes one who asks for the same.
                #expect(!earlier.contains { wishes[$0].map { $0.wish == call.wish } ?? false })
                waiting.removeAll { $0 == call.id }
                start(call.id, at: provider)
                while state.withWaiting({ $0.takeFrames() }) != nil {}
            case .fails(let call, let reason):
                waiting.removeAll { $0 == call.id }
                fail(call.id, reason)
            }
        }
    }
}

private func hash(_ text: String) -> UInt64 {
    var hash = FNV1a64()
    hash.combine(text.utf8)
    return hash.value
}

/// A generator whose numbers can be had again (SplitMix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
