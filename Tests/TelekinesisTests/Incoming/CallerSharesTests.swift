import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What one caller may have at a provider, so that others find room.
@Suite(.timeLimit(.minutes(1))) struct CallerSharesTests {
    @Test func oneCallerCannotTakeTheRoomOfAllOthers() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub) {
            $0.maximumIncomingCalls = 10
            $0.maximumCallsPerCaller = 4
        }
        try await node.publish(function: "hang") { try await Task.sleep(for: .seconds(3600)) }
        let key = try hub.publishedKey()
        func refusal(_ id: CallID, from peer: UInt64) async throws -> TelekinesisError? {
            hub.call(key, id: id, from: peer)
            return try await hub.answer(to: id).error
        }
        func begin(_ ids: ClosedRange<CallID>, from peer: UInt64) {
            for id in ids { hub.call(key, id: id, from: peer) }
        }
        begin(1...4, from: 77)
        let error = try #require(try await refusal(5, from: 77))
        #expect(error.code == .overloaded && error.ran == .no && error.message.contains("maximumCallsPerCaller"))
        // Others have a share of their own, and the room of all together is bounded as well.
        begin(1...3, from: 78)
        #expect(node.session.incoming.counts[0] == 7)
        begin(4...4, from: 78)
        begin(1...2, from: 79)
        #expect(node.session.incoming.counts[0] == 10)
        #expect(try await refusal(3, from: 79)?.message.contains("maximumCallsPerCaller") == false)
        // What has its answer counts no more.
        hub.send(FrameWriter.frame(.cancel, peer: NodeID(rawValue: 77), call: 1))
        _ = try await hub.answer(to: 1)
        begin(6...6, from: 77)
        #expect(node.session.incoming.counts[0] == 10)
        hub.send(FrameWriter.frame(.gone, peer: NodeID(rawValue: 77), call: 1))
        hub.send(FrameWriter.frame(.gone, peer: NodeID(rawValue: 78), call: 1))
        while node.session.incoming.counts[0] > 2 { await Task.yield() }
        begin(7...10, from: 77)
        #expect(node.session.incoming.counts[0] == 6)
        #expect(try await refusal(11, from: 77)?.code == .overloaded)
        await node.close()
    }
}
