import Distributed
import Synchronization
@testable import Telekinesis
@testable import TelekinesisHub
import TelekinesisProtocol
import Testing

/// What becomes of names and objects, as those hear who watch.
@Suite(.timeLimit(.minutes(1))) struct WatchTests {
    @Test func aPrefixTellsWhatIsServedAndWhatBecomesOfIt() async throws {
        let hub = try await startHub()
        let (provider, watcher) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "demo/there")
        try await provider.publish(Counter(on: provider), as: "other/there")
        var events = watcher.watch("demo/").makeAsyncIterator()
        let first = try #require(await events.next())
        #expect(first.description == "published demo/there" && first.service?.kind == .object && first.service?.providers == 1)
        try await provider.publish(function: "demo/hello") { "hello" }
        #expect(await events.next()?.description == "published demo/hello")
        try await provider.withdraw("demo/hello")
        #expect(await events.next()?.description == "withdrawn demo/hello")
        let next = try await hub.connect()
        try await next.publish(Counter(on: next), as: "demo/there", .replace)
        #expect(await events.next()?.description == "replaced demo/there")
        await next.close()
        #expect(await events.next()?.description == "gone demo/there")
        try await provider.withdraw("demo/there")
        try await provider.publish(function: "demo/there") { 1 }
        let back = await events.next()
        #expect(back?.description == "back demo/there" && back?.service?.kind == .function)
        await hub.stop()
    }

    @Test func aProxyThatWasGotByNameTellsOfItsProviders() async throws {
        let hub = try await startHub()
        let (first, watcher) = (try await hub.connect(), try await hub.connect())
        try await first.publish(Counter(on: first), as: "demo/counter")
        try await first.publish(Counter(on: first), as: "demo/counter2")
        let counter = try await watcher.resolve("demo/counter", as: Counter.self)
        let heard = Journal()
        // In an ordinary task, which is cancelled in the end.
        let task = Task {
            for await event in watcher.watch(counter) { heard.note(event.description) }
            return Task.isCancelled
        }
        try await eventually { hub.statistics.watches == 1 }
        await first.close()
        try await eventually { heard.entries == ["gone demo/counter"] }
        let second = try await hub.connect()
        try await second.publish(Counter(on: second), as: "demo/counter")
        try await eventually { heard.entries.last == "back demo/counter" }
        #expect(try await counter.increment(by: 1) == 1)
        // Between two looks: one word for what happened meanwhile.
        let slow = try await hub.connect()
        try await second.withdraw("demo/counter")
        try await slow.publish(Counter(on: slow), as: "demo/counter")
        try await eventually { ["replaced demo/counter", "published demo/counter"].contains(heard.entries.last) }
        task.cancel()
        #expect(await task.value)
        try await eventually { hub.statistics.watches == 0 }
        #expect(watcher.isIdle)
        await hub.stop()
    }

    @Test func whoIsSlowHearsHowThingsStand() async throws {
        let hub = try await startHub()
        let (provider, watcher) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "demo/steady")
        var events = watcher.watch("demo/").makeAsyncIterator()
        #expect(await events.next()?.description == "published demo/steady")
        // Far more than the hub remembers, while nobody asks. Most of it is only noted: thousands of calls take a loaded machine longer than a test has.
        for _ in 0..<10 {
            try await provider.publish(function: "demo/flapping") { 1 }
            try await provider.withdraw("demo/flapping")
        }
        hub.board.directory.withLock { directory in
            for _ in 0..<5_000 { directory.changes.note(.init(name: "demo/flapping", end: .withdrawn)) }
        }
        try await provider.publish(function: "demo/last") { 1 }
        try await provider.withdraw("demo/steady")
        #expect(hub.statistics.watches == 0)
        #expect(await events.next()?.description == "published demo/last")
        // How it went is not known any more.
        #expect(await events.next()?.description == "gone demo/steady")
        try await provider.publish(function: "demo/flapping") { 1 }
        #expect(await events.next()?.description == "published demo/flapping")
        await hub.stop()
    }

    @Test func theWatchersOwnReconnectTellsTheDifferences() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (provider, watcher) = (try await hub.connect(), try await way.connect())
        try await provider.publish(function: "demo/stays") { 1 }
        try await provider.publish(function: "demo/goes") { 1 }
        var events = watcher.watch("demo/").makeAsyncIterator()
        #expect(await events.next()?.name == "demo/goes")
        #expect(await events.next()?.name == "demo/stays")
        let heard = Journal()
        let task = Task { [events] in
            var events = events
            while let event = await events.next() { heard.note(event.description) }
        }
        try await eventually { hub.statistics.watches == 1 }
        way.lead(to: nil)
        way.line?.cut()
        try await eventually { hub.statistics.watches == 0 }
        try await provider.withdraw("demo/goes")
        try await provider.publish(function: "demo/comes") { 1 }
        way.lead(to: hub)
        try await eventually { heard.entries.count == 2 }
        #expect(heard.entries == ["withdrawn demo/goes", "published demo/comes"])
        task.cancel()
        await hub.stop()
    }

    @Test func afterARestartOfTheHubWhatIsDifferentIsTold() async throws {
        let hub = try await startHubToBeRestarted()
        let port = hub.port
        let (provider, watcher) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        let leaving = try await hub.connect()
        try await leaving.publish(function: "demo/hello") { 1 }
        let heard = Journal()
        let task = Task { for await event in watcher.watch("demo/") { heard.note(event.description) } }
        try await eventually { heard.entries.count == 2 && hub.statistics.watches == 1 }
        await hub.stop()
        await leaving.close()
        let next = try await startHub { $0.port = port }
        // The provider may be back before the watcher or behind it.
        try await eventually {
            heard.entries.contains("gone demo/hello")
                && ["replaced demo/counter", "back demo/counter"].contains(heard.entries.last { $0.hasSuffix("counter") })
        }
        task.cancel()
        await next.stop()
    }

    @Test func anObjectGoesWithItsNodeAndComesBackWithIt() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (owner, watcher) = (try await way.connect(), try await hub.connect())
        let probe = Probe(on: owner)
        try await owner.publish(probe, as: "demo/probe")
        let reference = try await watcher.resolve("demo/probe", as: Probe.self).me()
        #expect(reference.id.target.key != nil)
        let heard = Journal()
        let task = Task { for await event in watcher.watch(reference) { heard.note(event.description) } }
        try await eventually { hub.statistics.watches == 1 }
        way.lead(to: nil)
        way.line?.cut()
        try await eventually { heard.entries == ["gone \(reference.id)"] }
        way.lead(to: hub)
        try await eventually { heard.entries.last == "back \(reference.id)" }
        try await reference.add(1)
        await owner.close()
        try await eventually { heard.entries.count == 3 && heard.entries.last == "gone \(reference.id)" }
        task.cancel()
        await hub.stop()
    }

    @Test func anObjectThatDidNotComeBackEndsTheWatching() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (owner, watcher) = (try await way.connect(), try await hub.connect())
        try await owner.publish(class: "demo/Probe") { Probe(on: owner) }
        let probe = try watcher.class("demo/Probe", of: Probe.self)()
        let heard = Journal()
        let task = Task { for await event in watcher.watch(probe) { heard.note(event.kind.rawValue) } }
        try await eventually { hub.statistics.watches == 1 }
        // The instance lives for its holder, whom its owner loses with the connection.
        way.line?.cut()
        await task.value
        #expect(heard.entries == ["gone"])
        await hub.stop()
    }

    @Test func aCallbackOfACallerIsWatched() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let heard = Journal()
        try await provider.publish(function: "demo/greet") { (listener: Probe) in
            try await listener.add(1)
            Task {
                for await event in provider.watch(listener) { heard.note(event.kind.rawValue) }
                heard.note("end")
            }
        }
        let greet: RemoteFunction<(Probe) -> Void> = try await caller.function("demo/greet")
        try await greet(Probe(on: caller))
        try await eventually { hub.statistics.watches == 1 }
        await caller.close()
        try await eventually { heard.entries == ["gone"] }
        await hub.stop()
    }

    @Test func aWatchingThatCannotGoOnSaysSo() async throws {
        let hub = try await startHub()
        let (node, other) = (try await hub.connect(), try await hub.connect())
        func last(_ watching: Watching) async -> WatchEvent? {
            var last: WatchEvent?
            for await event in watching { last = event }
            return last
        }
        let own = await last(node.watch(Probe(on: node)))
        #expect(own?.kind == .ended && own?.error?.code == .invalidUse)
        let long = await last(node.watch(String(repeating: "x", count: 300)))
        #expect(long?.kind == .ended && long?.error?.code == .invalidName)
        async let closed = last(other.watch("demo/"))
        try await eventually { hub.statistics.watches == 1 }
        await other.close()
        #expect(await closed?.kind == .ended)
        await hub.stop()
    }

    @Test func aWatchDoesNotHoldUpADrainAndOutlivesIt() async throws {
        let first = try await startHubToBeRestarted()
        let port = first.port
        let watcher = try await first.connect()
        let heard = Journal()
        let task = Task { for await event in watcher.watch("demo/") { heard.note(event.description) } }
        try await eventually { first.statistics.watches == 1 }
        let start = ContinuousClock.now
        await first.drain(grace: .seconds(30))
        #expect(ContinuousClock.now - start < .seconds(10))
        let second = try await startHub { $0.port = port }
        let provider = try await second.connect()
        try await provider.publish(function: "demo/hello") { 1 }
        try await eventually { heard.entries == ["published demo/hello"] }
        task.cancel()
        await second.stop()
    }

    @Test func watchersOfOneNodeShareItsTurnsFairly() async throws {
        // Each of many loops hears of a name that changes all the time, and the hub's own methods stay usable for everybody.
        let hub = try await startHub { $0.limits.controlCalls = .init(perSecond: 1_000, burst: 1_000) }
        let (provider, watcher) = (try await hub.connect(), try await hub.connect())
        let counts = (0..<10).map { _ in Count() }
        let tasks = counts.map { count in Task { for await _ in watcher.watch("demo/") { count.add(1) } } }
        try await eventually { hub.statistics.watches == 10 }
        for _ in 0..<100 {
            try await provider.publish(function: "demo/flapping") { 1 }
            try await provider.withdraw("demo/flapping")
        }
        try await eventually { counts.allSatisfy { $0.value > 0 } }
        try await watcher.ping()
        for task in tasks { task.cancel() }
        await hub.stop()
    }
}
