import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Whatever nodes do, and in whatever order: each call is answered once, and nothing stays behind.
@Suite struct TurmoilTests {
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func nothingIsLeftWhenAllHaveGone(_ seed: UInt64) async throws {
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock))) {
            $0.limits.callsPerSession = 20
            $0.limits.waitingCallsPerName = 5
            $0.limits.reservationsPerSession = 3
        }
        var turmoil = Turmoil(hub, seed: seed)
        for step in 0..<2_000 {
            try turmoil.step()
            if step.isMultiple(of: 7) { await clock.advance(by: 0) }
        }
        try await turmoil.end(clock)
    }

    @Test func nothingIsLeftWhenManyThreadsDoSo() async throws {
        let hub = try await startHub { $0.limits.callsPerSession = 50 }
        let shared = SharedNodes()
        await withTaskGroup(of: Void.self) { group in
            for seed in 1...4 as ClosedRange<UInt64> {
                group.addTask {
                    var turmoil = Turmoil(hub, seed: seed, shared: shared)
                    for _ in 0..<3_000 { try? turmoil.step() }
                    turmoil.closeAll()
                }
            }
        }
        // A thread that is kept from running for long loses its loop, and goes on with what it does beside it: then no number of turns is enough.
        for _ in 0..<5_000 where hub.statistics.emptied != HubStatistics() {
            await hub.settle()
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(hub.statistics.emptied == HubStatistics())
    }
}

extension HubStatistics {
    /// Without what only counts up.
    fileprivate var emptied: HubStatistics {
        var result = self
        result.lateFrames = 0
        return result
    }
}

/// Where nodes of several threads find each other's ids.
private final class SharedNodes: Sendable {
    private let ids = Mutex<[NodeID]>([])
    func add(_ id: NodeID) { ids.withLock { $0.append(id) } }
    func any(_ random: inout Seeded) -> NodeID { ids.withLock { $0.randomElement(using: &random) } ?? .random() }
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

private struct Turmoil {
    /// A node, and the calls of which it knows that they have no answer.
    final class Actor {
        let node: SimulatedNode
        var open: Set<CallID> = []
        var unanswered: [KeptFrame] = []
        var nextRoute: UInt32 = 1
        init(_ node: SimulatedNode) { self.node = node }
    }

    let hub: Hub
    let shared: SharedNodes
    var random: Seeded
    var actors: [Actor] = []

    init(_ hub: Hub, seed: UInt64, shared: SharedNodes = SharedNodes()) {
        self.hub = hub
        self.shared = shared
        random = Seeded(state: seed)
    }

    mutating func step() throws {
        if actors.count < 3 || actors.count < 8 && chance(20) {
            let node = try SimulatedNode(hub, ticket: chance(2) ? actors.last?.node.welcome?.ticket : nil)
            shared.add(node.id)
            actors.append(Actor(node))
        }
        guard let actor = actors.randomElement(using: &random) else { return }
        listen(actor)
        try act(actor)
    }

    private mutating func act(_ actor: Actor) throws {
        let node = actor.node
        let name = "name/\(Int.random(in: 0..<4, using: &random))"
        let route = UInt32.random(in: 0...max(1, actor.nextRoute), using: &random)
        switch Int.random(in: 0..<17, using: &random) {
        case 0:
            let sharing = [Sharing.shared, .shared, .exclusive, .replace].randomElement(using: &random) ?? .shared
            let concurrency = chance(2) ? Int.random(in: 1...3, using: &random) : nil
            _ = try? node.publish(name, sharing, concurrency: concurrency, balancing: chance(2) ? .roundRobin : nil)
        case 1: try? node.withdraw(name)
        case 2:
            let sticky = chance(3) ? UInt64.random(in: 0..<5, using: &random) : nil
            let request = ResolveRequest(name: try ServiceName(name), route: actor.nextRoute, wait: chance(2), sticky: sticky)
            actor.open.insert(try node.control(HubService.resolve, request))
            actor.nextRoute += 1
        case 16:
            let request = ReserveRequest(name: try ServiceName(name), route: actor.nextRoute, wait: chance(2), lease: 60_000)
            actor.open.insert(try node.control(HubService.reserve, request))
            actor.nextRoute += 1
        case 3: _ = try node.refusal(HubService.unbind, route)
        case 4, 5, 6, 7:
            let flags: CallFlags = chance(2) ? .mayWait : []
            actor.open.insert(node.call(.route(route), flags: flags))
        case 8:
            let key = ActorKey.random()
            actor.open.insert(node.call(.route(route), flags: [.mayWait, .resultKey], body: CreationTests.bytes(key)))
            actor.open.insert(node.call(.key(key)))
            if chance(2) { node.send(FrameWriter.forget(key)) }
        case 9: node.call(.key(.random()), at: shared.any(&random))
        case 10: if let call = actor.open.randomElement(using: &random) { node.send(FrameWriter.frame(.cancel, call: call)) }
        case 11:
            let id = node.call(.route(route), flags: [.more, .mayWait])
            actor.open.insert(id)
            node.send(FrameWriter.data(flags: chance(2) ? .last : [], peer: .hub, call: id, bytes: [1, 2, 3]), lane: .bulk)
        case 12 where chance(8):
            node.close()
            actors.removeAll { $0 === actor }
        default:
            for call in actor.unanswered {
                if chance(4) {
                    node.reply(to: call, flags: .more)
                    node.send(
                        FrameWriter.data(flags: [.towardsCaller, .last], peer: call.peer, call: call.call, bytes: [1]), lane: .bulk)
                } else {
                    node.reply(to: call)
                }
            }
            actor.unanswered = []
        }
    }

    /// Notes what a node heard: an answer to a call that has one already is an error.
    private func listen(_ actor: Actor) {
        for frame in actor.node.take() {
            switch frame.type {
            case .call: actor.unanswered.append(frame)
            case .reply: actor.open.remove(frame.call)
            default: break
            }
        }
    }

    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    /// All providers answer; then nobody waits for anything but a provider, and when all have gone nothing is left.
    mutating func end(_ clock: VirtualClock) async throws {
        var answered: Int
        repeat {
            await clock.advance(by: 0)
            answered = 0
            for actor in actors {
                listen(actor)
                for call in actor.unanswered { actor.node.reply(to: call) }
                answered += actor.unanswered.count
                actor.unanswered = []
            }
        } while answered > 0
        for actor in actors { listen(actor) }
        let alive = actors.filter { $0.node.end == nil }
        // Nobody was sent away but those whose ids were taken over.
        #expect(actors.compactMap(\.node.end).allSatisfy { $0.message.contains("come back") })
        let statistics = hub.statistics
        #expect(statistics.openCalls == statistics.waitingCalls)
        #expect(alive.reduce(0) { $0 + $1.open.count } == statistics.waitingCalls)
        closeAll()
        #expect(hub.statistics.emptied == HubStatistics())
    }

    mutating func closeAll() {
        for actor in actors { actor.node.close() }
        actors = []
    }
}
