import Distributed
import Reactor
import Synchronization
@testable import Telekinesis
@testable import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Keeps references, and hands them on.
distributed actor Hand {
    private var things: [Person] = []
    private let watch: Watch
    private let moved: Count

    init(on node: Node, _ watch: Watch, _ moved: Count) {
        actorSystem = node
        self.watch = watch
        self.moved = moved
    }

    distributed func make(_ count: Int) -> [Person] {
        let new = (0..<count).map { Person("\($0)", on: actorSystem, watch) }
        things += new
        moved.add(count)
        return new
    }

    distributed func take(_ more: [Person]) {
        things += more
        moved.add(more.count)
    }

    distributed func lend(_ count: Int) -> [Person] {
        let lent = Array(things.shuffled().prefix(count))
        moved.add(lent.count)
        return lent
    }

    distributed func pass(_ count: Int, to other: Hand) async throws { try await other.take(lend(count)) }

    distributed func drop(_ count: Int) {
        things.shuffle()
        let dropped = min(count, things.count)
        things.removeLast(dropped)
        moved.add(dropped)
    }

    /// One of the things is called, dead or alive.
    distributed func use() async throws { _ = try await things.randomElement()?.name() }

    distributed func count() -> Int { things.count }
}

/// Hand-overs, drops and lost connections at random: whatever nobody holds is gone everywhere.
@Suite(.timeLimit(.minutes(10))) struct ReferenceTurmoilTests {
    /// Nodes of one hub, in memory, on one loop, whose time only moves when the world says so.
    private struct World {
        let clock = VirtualClock()
        let hub: Hub
        let way: CuttableHub
        let watch = Watch()
        let moved = Count()
        private(set) var players: [(node: Node, hand: Hand, name: String, line: CuttableHub.Line)] = []
        /// Whether nodes that lose their connection come back under their id.
        private let comesBack: Bool
        private var joined = 0
        private var tasks: [Task<Void, Never>] = []

        init(comesBack: Bool) async throws {
            self.comesBack = comesBack
            var configuration = HubConfiguration()
            configuration.host = nil
            configuration.logger = .silent
            hub = try await Hub.start(configuration, on: EventLoopGroup(loops: 1, clock: .virtual(clock)))
            way = CuttableHub(hub, on: hub.eventLoops)
        }

        mutating func join() async throws {
            joined += 1
            let node = try await way.connect()
            let hand = Hand(on: node, watch, moved)
            let name = "hand/\(joined)"
            let line = try #require(way.line)
            try await node.publish(hand, as: name)
            players.append((node, hand, name, line))
        }

        mutating func leave(_ index: Int) async { await players.remove(at: index).node.close() }

        /// Something happens while the rest goes on.
        mutating func happen() {
            guard let one = players.randomElement(), let other = players.randomElement(), let third = players.randomElement() else {
                return
            }
            let count = Int.random(in: 1...150)
            switch Int.random(in: 0..<100) {
            case 0 where comesBack: way.lines.randomElement()?.cut()
            case 0 where players.count > 2: lose(.random(in: 0..<players.count))
            case 1..<6: way.lines.randomElement()?.hold(towardsHub: .random(), towardsNode: .random())
            case 6..<12: way.lines.randomElement()?.letGo()
            case 12..<30: start { [hand = one.hand] in try await hand.drop(count) }
            case 30..<45:
                start { try await one.node.resolve(other.name, as: Hand.self).take(await one.hand.lend(count)) }
            case 45..<65:
                start { _ = try await one.node.resolve(other.name, as: Hand.self).make(count) }
            case 65..<80:
                start { _ = try await one.node.resolve(other.name, as: Hand.self).lend(count) }
            case 80..<95:
                start {
                    let receiver = try await one.node.resolve(third.name, as: Hand.self)
                    try await one.node.resolve(other.name, as: Hand.self).pass(count, to: receiver)
                }
            default: start { [hand = one.hand] in try await hand.use() }
            }
        }

        /// A node is gone without a word.
        private mutating func lose(_ index: Int) {
            let player = players.remove(at: index)
            player.line.cut()
            start { await player.node.close() }
        }

        private mutating func start(_ body: @escaping @Sendable () async throws -> Void) {
            tasks.append(
                Task(executorPreference: hub.eventLoops.next()) {
                    // Lost connections and passed deadlines are part of the game.
                    try? await body()
                })
        }

        /// Everything that was held up arrives, every lost connection is made anew, and whatever is under way ends.
        mutating func settle(keeping count: Int) async throws {
            for line in way.lines { line.letGo() }
            await clock.advance(by: 60_000_000_000)
            for task in tasks { await task.value }
            tasks = []
            for player in players { try await player.hand.drop(max(0, player.hand.count() - count)) }
            await clock.advance(by: 1_000_000_000)
        }

        /// All leave: nothing is left anywhere.
        mutating func end() async throws {
            while !players.isEmpty { await leave(0) }
            await clock.advance(by: 1_000_000_000)
            #expect(watch.alive == 0)
            var statistics = hub.statistics
            statistics.lateFrames = 0
            statistics.expiredCalls = 0
            #expect(statistics == HubStatistics())
            await hub.stop()
        }

        mutating func fill() async throws { while players.count < 5 { try await join() } }
    }

    #if DEBUG
        private static let references = 200_000
    #else
        private static let references = 1_000_000
    #endif

    @Test func manyReferencesLeaveNothingBehind() async throws {
        var world = try await World(comesBack: false)
        try await world.fill()
        while world.moved.value < Self.references {
            for _ in 0..<50 { world.happen() }
            try await world.settle(keeping: 300)
            if Int.random(in: 0..<10) == 0 {
                await world.leave(.random(in: 0..<world.players.count))
            }
            try await world.fill()
        }
        try await world.settle(keeping: 0)
        // Hand-overs that were lost with a connection are forgotten after a while.
        await world.clock.advance(by: 180_000_000_000)
        #expect(world.watch.alive == 0)
        for (node, _, name, _) in world.players {
            let registry = node.session.incoming.registry
            #expect(registry.heldCount == 0 && registry.entryCount == 1, "\(name): \(registry.heldCount) \(registry.entryCount)")
            #expect(node.isIdle && node.session.state.withLock { $0.handedOver.isEmpty && $0.streams.isEmpty })
            #expect(node.session.acquaintances.withLock { $0.count } <= world.players.count)
        }
        let statistics = world.hub.statistics
        #expect(statistics.sessions == world.players.count && statistics.providers == world.players.count)
        #expect([statistics.openCalls, statistics.waitingCalls, statistics.created, statistics.arriving] == [0, 0, 0, 0])
        #expect(statistics.peers <= world.players.count * (world.players.count - 1))
        try await world.end()
    }

    /// A reference that is on its way to a node while that loses its connection and comes back under its id may count as held until the node leaves,
    /// but no longer.
    @Test func nothingOutlivesTheNodesThatLostTheirConnections() async throws {
        var world = try await World(comesBack: true)
        try await world.fill()
        while world.moved.value < Self.references / 4 {
            for _ in 0..<50 { world.happen() }
            try await world.settle(keeping: 300)
        }
        try await world.settle(keeping: 0)
        await world.clock.advance(by: 180_000_000_000)
        for (node, _, _, _) in world.players {
            #expect(node.isIdle && node.session.state.withLock { $0.handedOver.isEmpty && $0.streams.isEmpty })
            #expect(node.session.acquaintances.withLock { $0.count } <= world.players.count)
        }
        try await world.end()
    }
}
