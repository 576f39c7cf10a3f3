import Distributed
import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Values that others follow, through a real hub.
@Suite(.timeLimit(.minutes(1))) struct RemoteStateTests {
    struct Stage {
        let hub: Hub
        let provider: Node
        let caller: Node
        let own: Gauge
        let gauge: Gauge
        let watch = Watch()

        init() async throws {
            hub = try await startHub()
            let provider = try await hub.connect()
            self.provider = provider
            caller = try await hub.connect()
            own = Gauge(on: provider)
            try await provider.publish(own, as: "demo/gauge")
            try await provider.publish(class: "demo/Gauge") { [watch] (start: Int) in Gauge(start, on: provider, watch) }
            gauge = try await caller.resolve("demo/gauge", as: Gauge.self)
        }

        /// How many follow at the provider.
        var followers: Int { get async { await own.whenLocal { $0.followers } ?? -1 } }

        func level(of gauge: Gauge?) async throws -> RemoteState<Int> { try await #require(gauge).level }

        func set(_ gauge: Gauge?, to number: Int) async throws { try await #require(gauge).set(number) }

        /// Ends when nothing is open or held anywhere.
        func end(_ others: [Node] = []) async throws {
            try await eventually(within: .seconds(3)) {
                let isClean = ([provider, caller] + others).allSatisfy { node in
                    node.session.incoming.state.withLock { $0.streams.count == 0 && $0.running.isEmpty }
                        && node.session.state.withLock { $0.streams.isEmpty && $0.pending.count == 0 && $0.handedOver.isEmpty }
                        && node.session.incoming.registry.heldCount == 0
                }
                return await followers == 0 && isClean
            }
            await hub.stop()
        }
    }

    @Test func aFollowerGetsTheNewestValueAndThenEachChangeThatItIsReadyFor() async throws {
        let stage = try await Stage()
        try await stage.gauge.set(5)
        do {
            var level = try await stage.gauge.level.makeAsyncIterator()
            #expect(try await level.next() == 5)
            for number in 6..<20 {
                try await stage.gauge.set(number)
                #expect(try await level.next() == number)
            }
            #expect(await stage.followers == 1)
        }
        try await stage.end()
    }

    @Test func aValueIsReadOnce() async throws {
        let stage = try await Stage()
        try await stage.gauge.set(7)
        let level = try await stage.gauge.level
        #expect(try await level.value == 7)
        try await stage.gauge.set(8)
        #expect(try await level.value == 8)
        #expect(try await stage.gauge.place().value == Place())
        try await eventually(within: .seconds(1)) { await stage.followers == 0 }
        await stage.hub.stop()
    }

    @Test func whatDidNotChangeIsNotSent() async throws {
        let stage = try await Stage()
        do {
            var places = try await stage.gauge.place().makeAsyncIterator()
            var readings = try await stage.gauge.readings().makeAsyncIterator()
            _ = try await places.next()
            _ = try await readings.next()
            for name in ["", "", "a"] { try await stage.gauge.rename(name) }
            let place = try await places.next()
            #expect(place?.name == "a")
            // Nobody can tell whether this has changed.
            try await stage.gauge.read(0)
            let reading = try await readings.next()
            #expect(reading?.number == 0)
        }
        try await stage.end()
    }

    @Test func aSlowFollowerMissesValuesButNotTheLast() async throws {
        let stage = try await Stage()
        do {
            var level = try await stage.gauge.level.makeAsyncIterator()
            #expect(try await level.next() == 0)
            try await stage.gauge.count(to: 50_000)
            let streams = stage.provider.session.incoming.state.withLock { Array($0.streams.all.values) }
            #expect(streams.count == 1 && streams.allSatisfy { $0.waitingBytes <= 8 })
            var seen: [Int] = []
            while seen.last != 50_000, let number = try await level.next() { seen.append(number) }
            #expect(seen.count <= 3 && seen == seen.sorted())
        }
        try await stage.end()
    }

    @Test func aThousandFollowersSeeTheLastValue() async throws {
        let stage = try await Stage()
        var nodes: [Node] = []
        for _ in 0..<4 { nodes.append(try await stage.hub.connect()) }
        try await withThrowingTaskGroup { group in
            for node in nodes {
                let gauge = try await node.resolve("demo/gauge", as: Gauge.self)
                for _ in 0..<250 {
                    group.addTask {
                        var last = -1
                        for try await number in try await gauge.level {
                            #expect(number > last)
                            last = number
                            if number == 1_000 { return }
                        }
                    }
                }
            }
            try await eventually { await stage.followers == 1_000 }
            try await stage.gauge.count(to: 1_000)
            try await group.waitForAll()
        }
        try await stage.end(nodes)
    }

    @Test func aFollowerThatIsCancelledStops() async throws {
        let stage = try await Stage()
        let task = Task { [gauge = stage.gauge] in
            for try await _ in try await gauge.level {}
        }
        try await eventually { await stage.followers == 1 }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await stage.end()
    }

    @Test func theEndOfTheProviderEndsTheState() async throws {
        let stage = try await Stage()
        var level = try await stage.gauge.level.makeAsyncIterator()
        #expect(try await level.next() == 0)
        await stage.provider.close()
        await #expect(throws: TelekinesisError.self) { try await level.next() }
        try await eventually(within: .seconds(1)) { await stage.followers == 0 && stage.caller.isIdle }
        await stage.hub.stop()
    }

    @Test func theEndOfTheObjectEndsTheState() async throws {
        let stage = try await Stage()
        do {
            let holder = try await stage.hub.connect()
            var gauge: Gauge? = try holder.class("demo/Gauge", of: Gauge.self)(3)
            let state = try await stage.level(of: gauge)
            // Handed on, it does not hold the object for the other.
            let first = try await stage.gauge.first(of: state)
            #expect(first == 3)
            gauge = nil
            #expect(stage.watch.alive == 1)
            var level = state.makeAsyncIterator()
            #expect(try await level.next() == 3)
            await holder.close()
            await #expect(throws: TelekinesisError.self) { try await level.next() }
        }
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 }
        try await stage.end()
    }

    @Test func whoHasTheStateHasTheObject() async throws {
        let stage = try await Stage()
        do {
            var level = try await stage.caller.class("demo/Gauge", of: Gauge.self)(4).level.makeAsyncIterator()
            #expect(try await level.next() == 4)
            #expect(stage.watch.alive == 1)
        }
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 }
        try await stage.end()
    }

    @Test func followersOfTheOwnNodeAreToldDirectly() async throws {
        let stage = try await Stage()
        do {
            var gauge: Gauge? = Gauge(1, on: stage.provider, stage.watch)
            var level = try await stage.level(of: gauge).makeAsyncIterator()
            #expect(try await level.next() == 1)
            try await stage.set(gauge, to: 2)
            #expect(try await level.next() == 2)
            // Through a stub or a name, too.
            let byName = try await stage.provider.resolve("demo/gauge", as: Gauge.self)
            let read = try await byName.first(of: stage.level(of: gauge))
            #expect(read == 2)
            gauge = nil
            let error = try await failure { try await level.next() }
            #expect(error.code == .noSuchObject && stage.watch.alive == 0)
        }
        try await stage.end()
    }

    @Test func manyIdleFollowersOfTheOwnNodeAreWoken() async throws {
        let stage = try await Stage()
        let level = try await stage.own.level
        try await withThrowingTaskGroup { group in
            for _ in 0..<2_000 {
                group.addTask { for try await number in level where number == 9 { return } }
            }
            try await eventually { await stage.followers == 2_000 }
            for number in 1...9 { try await stage.own.set(number) }
            try await group.waitForAll()
        }
        try await stage.end()
    }

    @Test func aStateIsHandedOnAndComesHome() async throws {
        let stage = try await Stage()
        try await stage.gauge.set(6)
        do {
            let other = try await stage.hub.connect()
            let theirs = Gauge(on: other)
            try await other.publish(theirs, as: "demo/other")
            let reader = try await stage.caller.resolve("demo/other", as: Gauge.self)
            let handedOn = try await reader.first(of: stage.gauge.level)
            let cameHome = try await stage.gauge.first(of: stage.gauge.level)
            #expect((handedOn, cameHome) == (6, 6))
        }
        try await stage.end()
    }

    @Test func valuesOfAnotherTypeEndTheFollowing() async throws {
        let stage = try await Stage()
        let wrong = try await stage.caller.resolve("demo/gauge", as: $WrongGauge.self)
        let error = try await failure { try await wrong.place().value }
        #expect(error.code == .badResult)
        try await stage.end()
    }
}

@Resolvable
protocol WrongGauge: DistributedActor where ActorSystem == Node {
    distributed func place() async throws -> RemoteState<[Int]>
}
