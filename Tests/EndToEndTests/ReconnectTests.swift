import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisLink
import TelekinesisProtocol
import Testing

/// Connections that are lost, hubs and providers that come back.
@Suite(.timeLimit(.minutes(1))) struct ReconnectTests {
    @Test func aProxyGotByNameOutlivesItsProvider() async throws {
        let hub = try await startHub()
        let caller = try await hub.connect()
        let first = try await hub.connect()
        try await first.publish(Counter(initialValue: 1, on: first), as: "demo/counter")
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        #expect(try await counter.value == 1)
        await first.shutdown()
        let second = try await hub.connect()
        try await second.publish(Counter(initialValue: 2, on: second), as: "demo/counter")
        #expect(try await counter.value == 2)
        await hub.stop()
    }

    @Test func afterARestartOfTheHubAllGoesOn() async throws {
        try await withTemporaryDirectory { directory in
            let hub = try await startHubToBeRestarted { $0.stateDirectory = directory }
            let (provider, caller) = (try await hub.connect(), try await hub.connect())
            try await provider.publish(Counter(on: provider), as: "demo/counter")
            try await provider.publish(function: "demo/hello") { "hello" }
            let counter = try await caller.resolve("demo/counter", as: Counter.self)
            let hello: RemoteFunction<() -> String> = try await caller.function("demo/hello")
            #expect(try await counter.increment(by: 1) == 1)
            let ids = (provider.id, caller.id)
            let port = hub.port
            await hub.stop()
            try await eventually { !provider.isConnected && !caller.isConnected }
            // Calls made while there is no hub wait for it, in order.
            let values = Task {
                var values: [Int] = []
                for _ in 0..<3 { values.append(try await counter.increment(by: 1)) }
                return values
            }
            try await eventually { caller.session.state.withLock { $0.held.count } == 1 }
            let next = try await startHub {
                $0.stateDirectory = directory
                $0.port = port
            }
            #expect(try await values.value == [2, 3, 4])
            #expect(try await hello() == "hello")
            #expect(provider.id == ids.0)
            #expect(caller.id == ids.1)
            await next.stop()
        }
    }

    @Test func connectWaitsForAHubThatStartsLater() async throws {
        let first = try await startHubToBeRestarted()
        let port = first.port
        let url = first.url ?? ""
        await first.stop()
        let impatient = try await failure { try await Node.connect(to: url, waitingUpTo: .zero) }
        #expect(impatient.code == .unreachable)
        #expect(impatient.message.contains("tk hub") && impatient.message.contains(String(port)))
        async let node = Node.connect(to: url, waitingUpTo: .seconds(30))
        let hub = try await startHub { $0.port = port }
        try await node.ping()
        await hub.stop()
    }

    @Test func resolveWaitsForAPublication() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        async let counter = caller.resolve("demo/late", as: Counter.self, waitingUpTo: .seconds(20))
        try await eventually { hub.statistics.waitingCalls == 1 }
        try await provider.publish(Counter(initialValue: 7, on: provider), as: "demo/late")
        #expect(try await counter.value == 7)
        let error = try await failure {
            try await caller.resolve("demo/never", as: Counter.self, waitingUpTo: .milliseconds(30))
        }
        #expect(error.code == .noProvider)
        #expect(error.message.contains("demo/never"))
        await hub.stop()
    }

    @Test func aClassIsWaitedFor() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        async let late = caller.class("demo/Late", of: Counter.self, waitingUpTo: .seconds(20))
        try await eventually { hub.statistics.waitingCalls == 1 }
        try await provider.publish(class: "demo/Late") { (start: Int) in Counter(initialValue: start, on: provider) }
        let make = try await late
        #expect(try await make(7).value == 7)
        let missing = try await failure { try await caller.class("demo/never", of: Counter.self, waitingUpTo: .milliseconds(30)) }
        #expect(missing.code == .noProvider && missing.message.contains("demo/never"))
        try await provider.publish(Counter(initialValue: 7, on: provider), as: "demo/counter")
        let other = try await failure { try await caller.class("demo/counter", of: Counter.self, waitingUpTo: .seconds(20)) }
        #expect(other.code == .invalidUse && other.message.contains("resolve(_:as:)"))
        await hub.stop()
    }

    @Test func aCutFailsWhatWasUnderWayAndIsMended() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let caller = try await way.connect()
        let provider = try await hub.connect()
        let watch = Watch()
        try await provider.publish(Probe(on: provider, watch), as: "demo/probe")
        try await provider.publish(class: "demo/Probe") { Probe(on: provider) }
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        let instance = try caller.class("demo/Probe", of: Probe.self)()
        try await instance.add(1)
        async let lost = failure { try await probe.hang() }
        try await eventually { watch.enteredCount == 1 }
        way.line?.cut()
        let error = try await lost
        #expect(error.code == .disconnected)
        #expect(error.ran == .maybe)
        // The callee hears of it, new calls go by the next connection, what was held for the caller is gone and says so.
        try await eventually { watch.cancelledCount == 1 }
        try await probe.add(2)
        #expect(way.joins == 2)
        let gone = try await failure { try await instance.add(2) }
        #expect(gone.code == .noSuchObject)
        #expect(gone.ran == .no)
        await hub.stop()
    }

    @Test func aProviderThatIsCutOffPublishesAgain() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let provider = try await way.connect()
        let caller = try await hub.connect()
        try await provider.publish(Counter(initialValue: 1, on: provider), as: "demo/counter")
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        #expect(try await counter.increment(by: 1) == 2)
        way.line?.cut()
        #expect(try await failure { try await counter.increment(by: 1) }.code == .noProvider)
        _ = try await caller.resolve("demo/counter", as: Counter.self, waitingUpTo: .seconds(20))
        #expect(try await counter.increment(by: 1) == 3)
        await hub.stop()
    }

    @Test func aNameThatIsElsewhereAfterAReconnectIsSoForItsFormerProviderToo() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (former, other) = (try await way.connect(), try await hub.connect())
        try await former.publish(Counter(initialValue: 1, on: former), as: "demo/counter")
        @Sendable func value() async throws -> Int { try await former.resolve("demo/counter", as: Counter.self).value }
        #expect(try await value() == 1)
        way.lead(to: nil)
        way.line?.cut()
        try await other.publish(Counter(initialValue: 2, on: other), as: "demo/counter")
        way.lead(to: hub)
        try await eventually { try await value() == 2 }
        // It asks again, and has the name when that is free.
        try await other.withdraw("demo/counter")
        try await eventually { (try? await value()) == 1 }
        await hub.stop()
    }

    @Test func aNameThatWasTakenOverIsNotPublishedAgain() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (former, next) = (try await way.connect(), try await hub.connect())
        try await former.publish(Counter(on: former), as: "demo/counter")
        try await former.publish(Counter(on: former), as: "demo/kept")
        try await next.publish(Counter(on: next), as: "demo/counter", .replace)
        await next.close()
        way.line?.cut()
        try await eventually { way.joins == 2 }
        #expect(try await former.list("demo/").map(\.name) == ["demo/kept"])
        // Only if the program says so.
        try await former.withdraw("demo/counter")
        try await former.publish(Counter(on: former), as: "demo/counter")
        #expect(try await former.list("demo/").count == 2)
        await hub.stop()
    }

    @Test func attemptsToReconnectBecomeRarer() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let node = try await way.connect()
        way.lead(to: nil)
        way.line?.cut()
        // 25 to 50 ms, 50 to 100, 100 to 200: three attempts take 175 ms at least.
        let start = ContinuousClock.now
        try await eventually { way.joins >= 4 }
        #expect(ContinuousClock.now - start >= .milliseconds(170))
        way.lead(to: hub)
        try await node.ping()
        await hub.stop()
    }

    @Test func theLinkThatEndsDoesNotSwallowCallsMadeMeanwhile() async throws {
        // A frame that breaks the rules makes the node end its connection, which takes a moment: calls made in that moment wait for the next one.
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        for _ in 1...5 {
            try await eventually { caller.isConnected }
            caller.session.state.withLock { $0.phase.link }?.close(TelekinesisError(.protocolViolation, "the test says so"))
            do {
                _ = try await counter.increment(by: 1)
            } catch let error as TelekinesisError where error.code == .disconnected {
                // It was about to leave when the link ended.
            }
        }
        _ = try await counter.value
        await hub.stop()
    }

    @Test func aHubThatNoLongerLetsTheNodeInFailsItsCallsUntilItDoes() async throws {
        let secret = try SharedSecret(Array("correct horse battery staple".utf8))
        let other = try SharedSecret(Array("another staple, another horse".utf8))
        let hub = try await startHubToBeRestarted { $0.authenticator = secret }
        let port = hub.port
        let node = try await hub.connect { $0.credentials = [secret] }
        let stranger = try await failure { try await hub.connect { $0.credentials = [other] } }
        #expect(stranger.code == .unauthenticated)
        await hub.stop()
        try await eventually { !node.isConnected }
        let next = try await startHub {
            $0.port = port
            $0.authenticator = other
        }
        let refusal = try await failure { try await node.ping() }
        #expect(refusal.code == .unauthenticated && refusal.ran == .no)
        await next.stop()
        let last = try await startHub {
            $0.port = port
            $0.authenticator = secret
        }
        try await eventually { node.isConnected }
        try await node.ping()
        await last.stop()
    }
}
