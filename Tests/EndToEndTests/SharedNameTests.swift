import Synchronization
import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Names and their providers, over sockets.
@Suite(.timeLimit(.minutes(1))) struct SharedNameTests {
    @Test func objectsClassesAndFunctionsAreCalledOverSockets() async throws {
        let hub = try await startHub()
        let provider = try await hub.connect()
        let caller = try await hub.connect()
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        try await provider.publish(class: "demo/Counter") { (initial: Int) in Counter(initialValue: initial, on: provider) }
        try await provider.publish(function: "demo/hello") { (name: String) in "Hello \(name)" }
        let counter = try await caller.resolve("demo/counter", as: $CounterService.self)
        #expect(try await counter.increment(by: 100) == 100)
        let mine = try caller.class("demo/Counter", of: Counter.self)(123)
        #expect(try await mine.increment(by: 100) == 223)
        let hello: RemoteFunction<(String) -> String> = try await caller.function("demo/hello")
        #expect(try await hello("Awesome") == "Hello Awesome")
        await hub.stop()
    }

    @Test func callsGoToTheProviderWithTheFewestUnderWay() async throws {
        let hub = try await startHub()
        let (one, two, caller) = (try await hub.connect(), try await hub.connect(), try await hub.connect())
        let gates = (Gate(), Gate())
        try await one.publish(Probe(on: one, gate: gates.0), as: "demo/probe", .shared)
        try await two.publish(Probe(on: two, gate: gates.1), as: "demo/probe", .shared)
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        try await withThrowingTaskGroup { group in
            for _ in 0..<10 { group.addTask { _ = try await probe.wait() } }
            try await eventually { gates.0.arrived + gates.1.arrived == 10 }
            #expect(gates.0.arrived == 5)
            // One is free again: all that come go there until it has as many as the other.
            gates.1.open()
            try await eventually { hub.statistics.openCalls == 5 }
            for _ in 0..<3 { group.addTask { _ = try await probe.wait() } }
            try await eventually { gates.1.arrived == 8 }
            #expect(gates.0.arrived == 5)
            gates.0.open()
            try await group.waitForAll()
        }
        await hub.stop()
    }

    @Test func callsOfALostProviderFailAtOnceAndNewOnesGoToTheOther() async throws {
        let hub = try await startHub()
        let (one, two, caller) = (try await hub.connect(), try await hub.connect(), try await hub.connect())
        let gates = (Gate(), Gate())
        try await one.publish(Probe(on: one, gate: gates.0), as: "demo/probe", .shared)
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        async let lost = failure { try await probe.wait() }
        try await eventually { gates.0.arrived == 1 }
        try await two.publish(Probe(on: two, gate: gates.1), as: "demo/probe", .shared)
        await one.close()
        let error = try await lost
        #expect(error.code == .disconnected)
        #expect(error.ran == .maybe)
        gates.1.open()
        for _ in 0..<5 { #expect(try await probe.wait() == "done") }
        #expect(gates.1.arrived == 5)
        gates.0.open()
        await hub.stop()
    }

    @Test func callsStickToTheProviderOfTheirKey() async throws {
        let hub = try await startHub()
        let callers = [try await hub.connect(), try await hub.connect()]
        var providers: [Node] = []
        for _ in 0..<3 {
            let provider = try await hub.connect()
            try await provider.publish(Counter(on: provider), as: "demo/counter", .shared)
            try await provider.publish(function: "demo/where") { provider.id.rawValue }
            try await provider.publish(class: "demo/Counter") { (_: Int) in
                Counter(initialValue: Int(provider.id.rawValue >> 1), on: provider)
            }
            providers.append(provider)
        }
        var homes: [String: UInt64] = [:]
        for key in (0..<20).map({ "user-\($0)" }) {
            for caller in callers {
                let counter = try await caller.resolve("demo/counter", as: Counter.self, choosing: .sticky(by: key))
                for _ in 0..<3 { _ = try await counter.increment(by: 1) }
                let home: RemoteFunction<() -> UInt64> = try await caller.function("demo/where", choosing: .sticky(by: key))
                let node = try await home()
                #expect(homes[key] ?? node == node)
                homes[key] = node
                // An instance is made where its key leads.
                let made = try caller.class("demo/Counter", of: Counter.self, choosing: .sticky(by: key))(0)
                #expect(try await made.value == Int(node >> 1))
            }
        }
        #expect(Set(homes.values).count == 3)
        // The others' keys stay where they are when one provider goes.
        await providers[0].shutdown()
        for (key, old) in homes where old != providers[0].id.rawValue {
            let home: RemoteFunction<() -> UInt64> = try await callers[0].function("demo/where", choosing: .sticky(by: key))
            #expect(try await home() == old)
        }
        await hub.stop()
    }

    @Test func providersTakeTurnsWhenTheNameSaysSo() async throws {
        let hub = try await startHub()
        let (one, two, caller) = (try await hub.connect(), try await hub.connect(), try await hub.connect())
        let gate = Gate()
        try await one.publish(Probe(on: one, gate: gate), as: "demo/probe", .shared, balancing: .roundRobin)
        try await two.publish(Probe(on: two, gate: gate), as: "demo/probe", .shared, balancing: .roundRobin)
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        for number in 0..<10 { try await probe.add(number) }
        let halves = [try await probe.added(), try await probe.added()]
        #expect(halves.sorted { $0[0] < $1[0] } == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]])
        await hub.stop()
    }

    @Test func aNameWithoutAProviderFailsFastAndSaysWhich() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        await provider.close()
        try await eventually { hub.statistics.providers == 0 }
        let error = try await failure { try await counter.increment() }
        #expect(error.code == .noProvider)
        #expect(error.ran == .no)
        #expect(error.message.contains("demo/counter"))
        await hub.stop()
    }

    @Test func aSecondExclusivePublicationIsRefusedAndSaysWhoHasTheName() async throws {
        let hub = try await startHub()
        let (one, two) = (try await hub.connect(), try await hub.connect())
        try await one.publish(Counter(on: one), as: "demo/counter")
        let error = try await failure { try await two.publish(Counter(on: two), as: "demo/counter") }
        #expect(error.code == .nameTaken)
        #expect(error.message.contains("held exclusively by anonymous, who published it 0 s ago"))
        #expect(error.message.contains("anonymous"))
        // The refused one can take another name, and the first one's when it is free.
        try await two.publish(Counter(on: two), as: "demo/other")
        try await one.withdraw("demo/counter")
        try await two.publish(Counter(on: two), as: "demo/counter")
        await hub.stop()
    }

    @Test func aReplacementTakesTheNameAndItsCallersFollow() async throws {
        let hub = try await startHub()
        let (one, two, caller) = (try await hub.connect(), try await hub.connect(), try await hub.connect())
        try await one.publish(Counter(initialValue: 1, on: one), as: "demo/counter")
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        #expect(try await counter.value == 1)
        // Calls within the provider's own node are calls by name as well.
        #expect(try await one.resolve("demo/counter", as: Counter.self).value == 1)
        let own = try await one.resolve("demo/counter", as: $CounterService.self)
        #expect(try await own.increment(by: 0) == 1)
        try await two.publish(Counter(initialValue: 2, on: two), as: "demo/counter", .replace)
        #expect(try await counter.value == 2)
        try await eventually { try await own.increment(by: 0) == 2 }
        #expect(try await one.resolve("demo/counter", as: Counter.self).value == 2)
        // The first one has lost it, and may say so without harm.
        try await one.withdraw("demo/counter")
        #expect(try await counter.value == 2)
        await hub.stop()
    }

    @Test func aWithdrawnNameIsGoneAndItsObjectReleased() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let watch = Watch()
        try await provider.publish(Probe(on: provider, watch), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        try await probe.add(1)
        try await provider.withdraw("demo/probe")
        try await eventually(within: .seconds(1)) { watch.alive == 0 }
        #expect(try await failure { try await probe.add(2) }.code == .noProvider)
        #expect(try await failure { try await provider.withdraw("demo/probe") }.code == .invalidUse)
        await hub.stop()
    }

    @Test func oneObjectIsServedUnderSeveralNames() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "a/counter")
        try await provider.publish(alias: "b/counter", of: "a/counter")
        let object = Counter(on: provider)
        try await provider.publish(object, as: "c/one")
        try await provider.publish(object, as: "d/two")
        try await provider.publish(function: "a/hello") { "hello" }
        try await provider.publish(alias: "b/hello", of: "a/hello")
        for (one, two) in [("a/counter", "b/counter"), ("c/one", "d/two")] {
            let counter = try await caller.resolve(one, as: Counter.self)
            let alias = try await caller.resolve(two, as: Counter.self)
            #expect(try await counter.increment(by: 1) == 1)
            #expect(try await alias.increment(by: 1) == 2)
            // The object lives on under the name that is left.
            try await provider.withdraw(one)
            #expect(try await alias.increment(by: 1) == 3)
        }
        #expect(try await caller.function("b/hello", as: (() -> String).self)() == "hello")
        let error = try await failure { try await provider.publish(alias: "x/y", of: "no/such") }
        #expect(error.code == .invalidUse && error.message.contains("no/such"))
        await hub.stop()
    }

    @Test func aNodeCallsWhatItServesItself() async throws {
        let hub = try await startHub()
        let node = try await hub.connect()
        try await node.publish(class: "demo/Counter") { (initial: Int) in Counter(initialValue: initial, on: node) }
        try await node.publish(function: "demo/hello") { (name: String) in "Hello \(name)" }
        try await node.publish(Counter(initialValue: 4, on: node), as: "demo/shared", .shared)
        let own = Counter(initialValue: 5, on: node)
        try await node.publish(own, as: "demo/own")
        let hello: RemoteFunction<(String) -> String> = try await node.function("demo/hello")
        #expect(try await hello("me") == "Hello me")
        let made = try node.class("demo/Counter", of: Counter.self)(3)
        #expect(try await made.increment(by: 1) == 4)
        #expect(try await node.resolve("demo/shared", as: Counter.self).value == 4)
        // An exclusive object of this very node is that object; a stub of it calls it here.
        #expect(try await node.resolve("demo/own", as: Counter.self) === own)
        #expect(try await node.resolve("demo/own", as: $CounterService.self).increment(by: 1) == 6)
        await hub.stop()
    }
}
