import Distributed
import Foundation
import Reactor
import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisLink
import TelekinesisProtocol
import Testing

/// What a connection has counted.
private final class Visits: Sendable {
    private let state = Mutex(0)
    private let watch: Watch?

    init(_ watch: Watch?) {
        self.watch = watch
        watch?.began()
    }

    deinit { watch?.ended() }

    func next() -> Int {
        state.withLock { count in
            count += 1
            return count
        }
    }
}

/// Says what it knows of its calls.
distributed actor Clerk {
    private let watch: Watch?

    init(on node: Node, _ watch: Watch? = nil) {
        actorSystem = node
        self.watch = watch
    }

    distributed func who() -> String { CallContext.current.principal?.name ?? "nobody" }
    distributed func whence() -> UInt64 { CallContext.current.node?.rawValue ?? 0 }
    distributed func visits() -> Int { CallContext.current.connectionState { [watch] in Visits(watch) }.next() }
    distributed func headers() -> [String: String] { CallContext.current.headers }
    distributed func trace() -> String? { CallContext.current.trace?.description }
    distributed func secondsLeft() -> Double? { CallContext.current.timeLeft.map { Double($0.components.seconds) } }

    /// Asks another one, and passes on what that knows.
    distributed func next(_ other: Clerk) async throws -> [String] {
        let headers = try await other.headers()
        return [try await other.trace() ?? "", headers.isEmpty ? "" : "headers", try await other.who()]
    }

    /// Calls back when it has answered.
    distributed func callLater(_ back: RemoteFunction<() -> Void>, after gate: RemoteFunction<() -> Void>) {
        Task {
            try await gate()
            try await back()
        }
    }

    distributed func work(_ steps: Int) async -> String {
        let context = CallContext.current
        for step in 0..<steps {
            context.report(Double(step + 1) / Double(steps), "step \(step)")
            if step == 0 { context.log("begun", level: .debug) }
        }
        return "done"
    }

    distributed func signIn() async throws -> String {
        let name = try await CallContext.current.ask("Name")
        let password = try await CallContext.current.ask("Password", secret: true)
        return "\(name):\(password)"
    }

    distributed func chatter(_ count: Int) -> Int {
        for number in 0..<count { CallContext.current.log("\(number)") }
        return count
    }
}

@Suite(.timeLimit(.minutes(1))) struct ContextTests {
    struct Stage {
        let hub: Hub
        let provider: Node
        let caller: Node
        let clerk: Clerk
        let watch = Watch()

        init() async throws {
            hub = try await startHub()
            provider = try await hub.connect()
            caller = try await hub.connect()
            try await provider.publish(Clerk(on: provider, watch), as: "demo/clerk")
            clerk = try await caller.resolve("demo/clerk", as: Clerk.self)
        }
    }

    @Test func aMethodKnowsItsCaller() async throws {
        let stage = try await Stage()
        #expect(try await stage.clerk.who() == "anonymous")
        #expect(try await stage.clerk.whence() == stage.caller.id.rawValue)
        #expect(CallContext.current.principal == nil && CallContext.current.node == nil)
        await stage.hub.stop()
    }

    @Test func aPrincipalIsTheHubsWord() async throws {
        let secret = try SharedSecret(Array("correct horse battery staple".utf8))
        let hub = try await startHub { $0.authenticator = secret }
        let provider = try await hub.connect { $0.credentials = [secret] }
        let caller = try await hub.connect { $0.credentials = [secret] }
        try await provider.publish(Clerk(on: provider), as: "demo/clerk")
        #expect(try await caller.resolve("demo/clerk", as: Clerk.self).who() == "secret")
        await hub.stop()
    }

    @Test func aConnectionKeepsItsState() async throws {
        let stage = try await Stage()
        #expect(try await stage.clerk.visits() == 1)
        #expect(try await stage.clerk.visits() == 2)
        let other = try await stage.hub.connect()
        #expect(try await other.resolve("demo/clerk", as: Clerk.self).visits() == 1)
        #expect(stage.watch.alive == 2)
        await other.close()
        try await eventually(within: .seconds(1)) { stage.watch.alive == 1 }
        #expect(try await stage.clerk.visits() == 3)
        await stage.hub.stop()
    }

    @Test func headersReachTheMethodAndGoNoFurther() async throws {
        let stage = try await Stage()
        let inner = try await withHeaders(["tenant": "a", "x": "1"]) {
            try await withHeaders(["x": "2"]) { try await stage.clerk.headers() }
        }
        #expect(inner == ["tenant": "a", "x": "2"])
        #expect(try await stage.clerk.headers() == [:])
        let own = Clerk(on: stage.caller)
        #expect(try await withHeaders(["a": "b"]) { try await stage.clerk.next(own) }[1] == "")
        let error = try await failure {
            try await withHeaders(["a": String(repeating: "x", count: 9000)]) { try await stage.clerk.headers() }
        }
        #expect(error.code == .tooLarge)
        await stage.hub.stop()
    }

    @Test func aTraceIsPassedOn() async throws {
        let stage = try await Stage()
        #expect(try await stage.clerk.trace() == nil)
        let trace = TraceContext()
        let own = Clerk(on: stage.caller)
        let (first, second) = try await withTrace(trace) { (try await stage.clerk.trace(), try await stage.clerk.next(own)[0]) }
        let (one, two) = (try #require(TraceContext(traceparent: first ?? "")), try #require(TraceContext(traceparent: second)))
        #expect(one.traceID == trace.traceID && two.traceID == trace.traceID)
        #expect(one.spanID != trace.spanID && two.spanID != one.spanID)
        await stage.hub.stop()
    }

    @Test func theDeadlineIsKnown() async throws {
        let stage = try await Stage()
        let left = try #require(try await withDeadline(.seconds(100)) { try await stage.clerk.secondsLeft() })
        #expect((80...100).contains(left))
        await stage.hub.stop()
    }

    @Test func whatAMethodLeavesBehindIsNotBoundByItsCallersDeadline() async throws {
        let stage = try await Stage()
        let gate = Gate()
        let left = AsyncStream.makeStream(of: Duration?.self)
        try await withDeadline(.seconds(20)) {
            try await stage.clerk.callLater(
                RemoteFunction { _ = left.continuation.yield(CallContext.current.timeLeft) }, after: RemoteFunction { await gate.pass() })
        }
        gate.open()
        // As long as any call.
        let time = try #require(await left.stream.first { _ in true } ?? nil)
        #expect(time > .seconds(25))
        await stage.hub.stop()
    }

    /// Of a method elsewhere, and of one of the caller's own node.
    @Test(arguments: [false, true]) func progressIsHeardBeforeTheResult(isOwn: Bool) async throws {
        let stage = try await Stage()
        let heard = Mutex<[CallProgress]>([])
        let clerk = isOwn ? try await stage.provider.resolve("demo/clerk", as: Clerk.self) : stage.clerk
        let result = try await withProgress {
            try await clerk.work(1000)
        } observing: { progress in
            heard.withLock { $0.append(progress) }
        }
        #expect(result == "done")
        let reports = heard.withLock { $0 }
        #expect(reports.last?.fraction == 1)
        let fractions = reports.compactMap(\.fraction)
        #expect(fractions == fractions.sorted())
        #expect(reports.contains { $0.level == .debug && $0.message == "begun" })
        // Coalesced.
        #expect(reports.count < 1000)
        #expect(stage.caller.session.incoming.registry.entryCount == 0)
        #expect(try await clerk.work(3) == "done")
        await stage.hub.stop()
    }

    @Test func aChattyMethodCannotFlood() async throws {
        let stage = try await Stage()
        let heard = Mutex<[CallProgress]>([])
        _ = try await withProgress {
            try await stage.clerk.chatter(100_000)
        } observing: { progress in
            heard.withLock { $0.append(progress) }
        }
        let reports = heard.withLock { $0 }
        #expect(reports.last?.message == "99999")
        // One batch of at most a hundred is under way at a time.
        #expect(reports.count < 50_000)
        #expect(reports.contains { $0.level == .warning && $0.message.contains("dropped") })
        await stage.hub.stop()
    }

    @Test func aMethodAsksItsCaller() async throws {
        let stage = try await Stage()
        let answer = try await withAnswers {
            try await stage.clerk.signIn()
        } to: { question in
            question.isSecret ? "secret" : question.prompt.lowercased()
        }
        #expect(answer == "name:secret")
        let error = try await failure { try await stage.clerk.signIn() }
        #expect(error.code == .unsupported)
        await #expect(throws: Trouble(message: "no")) {
            try await withAnswers {
                try await stage.clerk.signIn()
            } to: { _ in
                throw Trouble(message: "no")
            }
        }
        await stage.hub.stop()
    }

    @Test func interceptorsSeeCallsOnBothSides() async throws {
        let stage = try await Stage()
        let journal = Journal()
        stage.provider.intercept(incoming: { call, next in
            journal.note("in 1 \(call.method) \(call.principal?.name ?? "") \(call.headers["tenant"] ?? "")")
            defer { journal.note("out 1") }
            return try await next(call)
        })
        stage.provider.intercept(incoming: { call, next in
            guard call.headers["tenant"] != nil else { throw TelekinesisError(.forbidden, "say which tenant you are") }
            return try await next(call)
        })
        let error = try await failure { try await stage.clerk.who() }
        #expect(error.code == .forbidden && error.ran == .no)
        stage.caller.intercept(outgoing: { call, next in
            var call = call
            call.headers["tenant"] = "t"
            journal.note("call \(call.method) of \(call.target)")
            return try await next(call)
        })
        #expect(try await stage.clerk.who() == "anonymous")
        #expect(
            journal.entries == [
                "in 1 who() anonymous ", "out 1", "call who() of demo/clerk", "in 1 who() anonymous t", "out 1",
            ])
        await #expect(throws: Trouble.self) {
            stage.caller.intercept(outgoing: { _, _ in throw Trouble(message: "stop") })
            return try await stage.clerk.who()
        }
        await stage.hub.stop()
    }

    @Test func synchronousProgramsWait() async throws {
        let stage = try await Stage()
        let clerk = stage.clerk
        let outcome = Mutex<String?>(nil)
        await withCheckedContinuation { continuation in
            let thread = Thread {
                let result = try? blocking { try await clerk.who() }
                outcome.withLock { $0 = result }
                continuation.resume()
            }
            thread.start()
        }
        #expect(outcome.withLock { $0 } == "anonymous")
        let loop = stage.caller.executor
        let refused: Bool = await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: (try? blocking { 1 }) == nil) }
        }
        #expect(refused)
        await stage.hub.stop()
    }
}
