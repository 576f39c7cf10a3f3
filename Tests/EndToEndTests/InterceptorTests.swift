import Distributed
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// What interceptors see on both sides beside the calls of methods.
@Suite(.timeLimit(.minutes(1))) struct InterceptorTests {
    private struct Stage {
        let hub: Hub
        let provider: Node
        let caller: Node
        let journal = Journal()

        init() async throws {
            hub = try await startHub()
            provider = try await hub.connect()
            caller = try await hub.connect()
            try await provider.publish(class: "demo/Counter") { [provider] (start: Int) in
                guard start >= 0 else { throw Trouble(message: "too low") }
                return Counter(initialValue: start, on: provider)
            }
            try await provider.publish(function: "demo/hello") { (name: String) in "Hello \(name)" }
            try await provider.publish(alias: "demo/greet", of: "demo/hello")
            try await provider.publish(Counter(on: provider), as: "demo/counter")
        }

        /// Notes what passes.
        func listen() {
            provider.intercept(incoming: { [journal] call, next in
                journal.note("in \(call.method) of \(call.target) \(call.headers["by"] ?? "-")")
                return try await next(call)
            })
            caller.intercept(outgoing: { [journal] call, next in
                journal.note("out \(call.method) of \(call.target)")
                var call = call
                call.headers["by"] = "me"
                return try await next(call)
            })
        }
    }

    @Test func constructionsAreSeenInFrontOfTheCallsOfTheInstance() async throws {
        let stage = try await Stage()
        stage.listen()
        let counter = try stage.caller.class("demo/Counter", of: Counter.self)(5)
        #expect(try await counter.increment(by: 1) == 6)
        let id = "\(counter.id)"
        #expect(stage.journal.entries.filter { $0.hasPrefix("out") } == ["out init of demo/Counter", "out increment(by:) of \(id)"])
        #expect(
            stage.journal.entries.filter { $0.hasPrefix("in") } == [
                "in init of EndToEndTests.Counter me", "in increment(by:) of EndToEndTests.Counter me",
            ])
        await stage.hub.stop()
    }

    @Test func functionsAndWordsAreSeen() async throws {
        let stage = try await Stage()
        stage.listen()
        let hello: RemoteFunction<(String) -> String> = try await stage.caller.function("demo/greet")
        #expect(try await hello("you") == "Hello you")
        _ = try await stage.caller.call("demo/counter", words: ["increment", "by=2"])
        _ = try await stage.caller.call("demo/hello", words: ["you"])
        #expect(
            stage.journal.entries == [
                "out call of demo/greet", "in call of demo/hello me", "out increment of demo/counter",
                "in increment(by:) of EndToEndTests.Counter me", "out call of demo/hello", "in call of demo/hello me",
            ])
        await stage.hub.stop()
    }

    @Test func whatNamesNothingIsRefusedBefore() async throws {
        let stage = try await Stage()
        stage.listen()
        let error = try await failure { try await stage.caller.call("demo/counter", words: ["explode\u{1b}[2J"]) }
        #expect(error.code == .noSuchMethod && error.ran == .no)
        let stranger = try await stage.caller.resolve("demo/counter", as: Camera.self)
        #expect(try await failure { try await stranger.numbers(to: 1) }.code == .noSuchMethod)
        #expect(!stage.journal.entries.contains { $0.hasPrefix("in") })
        await stage.hub.stop()
    }

    @Test func aRefusedConstructionFailsTheCallsOfTheInstance() async throws {
        let stage = try await Stage()
        stage.provider.intercept(incoming: { call, next in
            guard call.method != "init" || call.headers["tenant"] != nil else {
                throw TelekinesisError(.forbidden, "say which tenant you are")
            }
            return try await next(call)
        })
        let makeCounter = stage.caller.class("demo/Counter", of: Counter.self)
        for _ in 0..<2 {
            let counter = try makeCounter(1)
            let error = try await failure { try await withDeadline(.seconds(20)) { try await counter.value } }
            #expect(error.code == .forbidden && error.ran == .no)
        }
        let counter = try await withHeaders(["tenant": "t"]) { try makeCounter(1) }
        #expect(try await counter.value == 1)
        // The other side may refuse as well; nothing is sent then.
        stage.caller.intercept(outgoing: { call, next in
            if call.method == "init" { throw Trouble(message: "not here") }
            return try await next(call)
        })
        let refused = try makeCounter(1)
        await #expect(throws: Trouble(message: "not here")) { try await refused.value }
        await stage.hub.stop()
    }

    @Test func callsWaitForAConstructionThatIsHeldUp() async throws {
        let stage = try await Stage()
        let gate = Gate()
        stage.caller.intercept(outgoing: { call, next in
            if call.method == "init" { await gate.pass() }
            return try await next(call)
        })
        let counter = try stage.caller.class("demo/Counter", of: Counter.self)(7)
        async let value = counter.increment(by: 1)
        try await eventually { gate.arrived == 1 }
        gate.open()
        #expect(try await value == 8)
        // The error of the constructor is its own, whoever looks on.
        let failing = try stage.caller.class("demo/Counter", of: Counter.self)(-1)
        await #expect(throws: Trouble(message: "too low")) { try await failing.value }
        await stage.hub.stop()
    }

    @Test func theInstanceOfAnInterceptedConstructionIsReleased() async throws {
        let stage = try await Stage()
        stage.listen()
        let before = stage.provider.session.incoming.registry.entryCount
        do {
            let counter = try stage.caller.class("demo/Counter", of: Counter.self)(1)
            _ = try await counter.value
            #expect(stage.provider.session.incoming.registry.entryCount == before + 1)
        }
        try await eventually { stage.provider.session.incoming.registry.entryCount == before }
        await stage.hub.stop()
    }

    @Test func theRuntimesOwnCallsAreNotSeen() async throws {
        let stage = try await Stage()
        try await stage.provider.publish(Clerk(on: stage.provider), as: "demo/clerk")
        let clerk = try await stage.caller.resolve("demo/clerk", as: Clerk.self)
        // Whoever refuses everything else still hears of progress and answers questions.
        stage.caller.intercept(incoming: { _, _ in throw Trouble(message: "nobody calls me") })
        stage.provider.intercept(outgoing: { _, _ in throw Trouble(message: "I call nobody") })
        let reports = Journal()
        _ = try await withProgress {
            try await clerk.work(3)
        } observing: {
            reports.note($0.message)
        }
        #expect(reports.entries.last == "step 2")
        #expect(
            try await withAnswers {
                try await clerk.signIn()
            } to: { _ in
                "x"
            } == "x:x")
        await stage.hub.stop()
    }
}
