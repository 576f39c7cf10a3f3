import MessagePack
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What the hub says of other nodes: they come, go, and come back.
@Suite(.timeLimit(.minutes(1))) struct AcquaintanceTests {
    private static let peer = NodeID(rawValue: 77)

    /// A node that serves a function which takes until its caller gives up.
    private struct Stage {
        let hub: ScriptedHub
        let node: Node
        let key: ActorKey

        init() async throws {
            hub = try ScriptedHub()
            node = try await Node.connect(hub) { _ in }
            try await node.publish(function: "endless") {
                try await Task.sleep(for: .seconds(1_000))
                return 1
            }
            key = try hub.publishedKey()
        }

        func introduce(_ number: UInt64, as name: String) throws {
            let principal = try MessagePackEncoder().encode(Principal(name: name))
            hub.send(FrameWriter.frame(.peer, peer: AcquaintanceTests.peer, call: number, body: principal))
        }

        func goodbye(_ number: UInt64, of peer: NodeID = AcquaintanceTests.peer) {
            hub.send(FrameWriter.frame(.gone, peer: peer, call: number))
        }

        var running: Int { node.session.incoming.counts[0] }
        var principal: String? { node.session.caller(AcquaintanceTests.peer)?.principal?.name }
    }

    @Test func wordsAboutThePastOfANodeThatHasComeBackDoNotTouchItsPresent() async throws {
        let stage = try await Stage()
        try stage.introduce(3, as: "old")
        stage.hub.call(stage.key, id: 1, from: 77)
        #expect(stage.running == 1 && stage.principal == "old")
        // It has come back, and the word that it had gone comes behind that.
        try stage.introduce(5, as: "new")
        _ = try await stage.hub.answer(to: 1)
        stage.hub.call(stage.key, id: 2, from: 77)
        stage.goodbye(3)
        try stage.introduce(3, as: "old")
        stage.goodbye(0)
        #expect(stage.running == 1 && stage.principal == "new")
        try stage.introduce(5, as: "new")
        #expect(stage.running == 1)
        stage.goodbye(5)
        _ = try await stage.hub.answer(to: 2)
        #expect(stage.principal == nil)
        await stage.node.close()
    }

    @Test func aCallBehindItsCallersFarewellEndsWithTheNextOne() async throws {
        let stage = try await Stage()
        try stage.introduce(3, as: "old")
        stage.goodbye(3)
        stage.hub.call(stage.key, id: 1, from: 77)
        #expect(stage.running == 1)
        stage.goodbye(3)
        _ = try await stage.hub.answer(to: 1)
        #expect(stage.running == 0)
        await stage.node.close()
    }

    @Test func nodesThatAreOnlyNamedAreForgottenWithoutAnyoneElse() async throws {
        let stage = try await Stage()
        try stage.introduce(3, as: "caller")
        stage.hub.call(stage.key, id: 1, from: 77)
        // References to objects of nodes that are nowhere.
        let count = 500
        let table = ReferenceTable.bytes((0..<UInt64(count)).map { (node: NodeID(rawValue: 1_000 + $0), key: ActorKey.random()) })
        var frame = FrameWriter.frame(.call, body: table + [UInt8](repeating: 0, count: CallBody.fixedSize))
        frame.withUnsafeMutableBytes {
            FrameWriter.call(over: $0, flags: .references, peer: Self.peer, call: 2, target: .key(.random()), remaining: 1_000)
        }
        stage.hub.send(frame)
        var released: [HeardFrame] = []
        try await eventually {
            released += stage.hub.take(.release)
            return released.count == count
        }
        #expect(stage.node.session.acquaintances.withLock { $0.count } == count + 1)
        // None of them is looked for among the calls.
        #expect(stage.node.session.forgetAcquaintance(NodeID(rawValue: 1_000), number: 0) == .stranger)
        for id in 1..<UInt64(count) { stage.goodbye(0, of: NodeID(rawValue: 1_000 + id)) }
        #expect(stage.node.session.acquaintances.withLock { $0.count } == 1)
        #expect(stage.running == 1 && stage.principal == "caller")
        await stage.node.close()
    }

    @Test func theHubIsThereAsLongAsItsLink() async throws {
        let stage = try await Stage()
        let hub = stage.node.session.acquaintance(of: .hub)
        for number: UInt64 in [0, 9] { stage.goodbye(number, of: .hub) }
        #expect(!hub.isGone)
        stage.hub.cut()
        try await eventually { hub.isGone }
        await stage.node.close()
    }
}
