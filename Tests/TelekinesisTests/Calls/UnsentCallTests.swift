import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Calls that nobody waits for any more when they are to be made.
@Suite(.timeLimit(.minutes(1))) struct UnsentCallTests {
    private struct Stage {
        let hub: ScriptedHub
        let node: Node
        let simple: Simple
        let function: RemoteFunction<() -> Int>

        init() async throws {
            hub = try ScriptedHub()
            node = try await Node.connect(hub)
            simple = try await node.resolve("simple", as: Simple.self)
            function = RemoteFunction(.there(simple.id.target, node))
            _ = hub.take(.call)
        }

        /// Nothing has left since: what comes next is the first that the hub hears.
        func heardNothing() async throws {
            let ping = Task { try await node.ping() }
            _ = await ping.result
            let heard = hub.take(.call)
            #expect(heard.map(\.selector) == [ObjectService.ping.rawValue])
            #expect(node.session.state.withLock { $0.pending.count } == 0)
        }
    }

    private func failure(of operation: () async throws -> some Any) async throws -> TelekinesisError {
        try await #require(throws: TelekinesisError.self) { _ = try await operation() }
    }

    @Test func aCallWhoseDeadlineHasPassedIsNotSent() async throws {
        let stage = try await Stage()
        let (node, simple, function) = (stage.node, stage.simple, stage.function)
        let operations: [@Sendable () async throws -> Void] = [
            { _ = try await simple.answer() },
            { _ = try await function() },
            { _ = try await node.call("simple", words: ["answer"]) },
            { _ = try node.class("Class", of: Simple.self)() },
            { _ = try await withPipelining { try await simple.answer() } },
        ]
        for operation in operations {
            let error = try await failure { try await withDeadline(.milliseconds(-5)) { try await operation() } }
            #expect(error.code == .deadlineExceeded && error.ran == .no)
            let inherited = try await failure {
                try await withDeadline(.milliseconds(1)) {
                    let end = ContinuousClock.now + .milliseconds(2)
                    while ContinuousClock.now < end {}
                    try await operation()
                }
            }
            #expect(inherited.code == .deadlineExceeded && inherited.ran == .no)
        }
        try await stage.heardNothing()
        await node.close()
    }

    @Test func aCallOfATaskThatIsCancelledAlreadyIsNotSent() async throws {
        let stage = try await Stage()
        let (simple, function) = (stage.simple, stage.function)
        let operations: [@Sendable () async throws -> Void] = [
            { _ = try await simple.answer() },
            { _ = try await function() },
            { _ = try await withPipelining { try await simple.answer() } },
        ]
        for operation in operations {
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await operation()
            }
            let error = try await failure { try await task.value }
            #expect(error.code == .cancelled && error.ran == .no)
        }
        #expect(stage.hub.take(.cancel).isEmpty)
        try await stage.heardNothing()
        await stage.node.close()
    }

    @Test func whatGivesSomethingBackIsSentAllTheSame() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        try await node.publish(function: "one") { 1 }
        _ = hub.take(.call)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await node.withdraw("one")
        }
        try await task.value
        #expect(hub.take(.call).map(\.selector) == [HubService.withdraw.rawValue])
        await node.close()
    }

    @Test func aCallThatComesWithNoTimeLeftIsNotMade() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        let calls = Atomic<Int>(0)
        let counted: @Sendable () -> Int = { calls.add(1, ordering: .relaxed).newValue }
        try await node.publish(function: "count") { counted() }
        let key = try hub.publishedKey()
        hub.call(key, id: 1, from: 77, remaining: 0)
        let error = try await hub.answer(to: 1).error
        #expect(error?.code == .deadlineExceeded && error?.ran == .no)
        hub.call(key, id: 2, from: 77, remaining: 1)
        hub.call(key, id: 3, from: 77, remaining: .max)
        #expect(try await hub.answer(to: 3).error == nil)
        #expect(calls.load(ordering: .relaxed) == 2)
        await node.close()
    }

    @Test func aCallThatHasAPartOfAMillisecondLeftSaysSo() {
        func head(_ deadline: UInt64) -> UInt32? {
            let frame = SplitBytes([UInt8](repeating: 0, count: FrameType.call.headSize + CallBody.fixedSize), tail: nil)
            let call = OutgoingCall(
                id: 1, target: ActorTarget(.object(.random()), .remote), flags: [], deadline: deadline, frame: frame, now: 5_000_000)
            return call.bytes.withUnsafeBytes { try? Frame(checking: $0).remaining }
        }
        #expect([5_000_000, 5_000_001, 6_000_000, 6_000_001, .max].map(head) == [0, 1, 1, 2, .max])
    }

    @Test func aMissedDeadlineSaysHowLongItWas() async throws {
        let stage = try await Stage()
        let (node, simple, function) = (stage.node, stage.simple, stage.function)
        let operations: [(@Sendable () async throws -> Void, String)] = [
            ({ @Sendable in _ = try await simple.answer() }, "answer() -> Int of simple"),
            ({ @Sendable in _ = try await function() }, "simple"),
            ({ @Sendable in _ = try await node.call("simple", words: ["answer"]) }, "answer of simple"),
        ]
        for (operation, name) in operations {
            let error = try await failure { try await withDeadline(.milliseconds(30)) { try await operation() } }
            #expect(error.code == .deadlineExceeded && error.ran == .maybe)
            // What was left when the call was made.
            let left = error.message.firstMatch(of: /which left it ([0-9.]+) seconds/).flatMap { Double($0.1) } ?? 0
            #expect(error.message.hasPrefix(name) && (0.001...0.03).contains(left), "\(error.message)")
        }
        await stage.node.close()
    }
}
