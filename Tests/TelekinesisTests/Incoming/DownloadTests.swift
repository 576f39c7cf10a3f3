import Reactor
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Results that leave in parts, and are not all taken.
@Suite(.timeLimit(.minutes(1))) struct DownloadTests {
    private static let mebibyte = 1024 * 1024

    private func node(_ hub: ScriptedHub) async throws -> (Node, ActorKey) {
        let node = try await Node.connect(hub) {
            $0.maximumValue = 3 * Self.mebibyte
            $0.maximumPartialBytes = 5 * Self.mebibyte
            $0.maximumPartialBytesPerCaller = 3 * Self.mebibyte
        }
        try await node.publish(function: "large") { [UInt8](repeating: 7, count: 2 * Self.mebibyte) }
        return (node, try hub.publishedKey())
    }

    @Test func resultsThatNobodyTakesAreBounded() async throws {
        let hub = try ScriptedHub()
        let (node, key) = try await node(hub)
        func call(_ id: CallID, from peer: UInt64) async throws -> TelekinesisError? {
            hub.call(key, id: id, from: peer)
            return try await hub.answer(to: id).error
        }
        // Of one caller.
        for id in 1...2 as ClosedRange<CallID> { #expect(try await call(id, from: 77) == nil) }
        let error = try #require(try await call(3, from: 77))
        #expect(error.code == .overloaded && error.ran == .yes && error.message.contains("maximumPartialBytesPerCaller"))
        // Of all.
        #expect(try await call(1, from: 78) == nil)
        #expect(try await call(1, from: 79)?.code == .overloaded)
        try await eventually { node.session.incoming.counts == [0, 0, 0, 3] }
        // An answer that is taken leaves room, and so does a caller that goes.
        hub.send(FrameWriter.credit(flags: .towardsCaller, peer: NodeID(rawValue: 78), call: 1, amount: 1 << 30))
        #expect(try await call(2, from: 79) == nil)
        hub.send(FrameWriter.frame(.cancel, peer: NodeID(rawValue: 79), call: 2))
        hub.send(FrameWriter.frame(.gone, peer: NodeID(rawValue: 77), call: 1))
        try await eventually { node.isUntouched }
        for id in 4...5 as ClosedRange<CallID> { #expect(try await call(id, from: 77) == nil) }
        hub.cut()
        try await eventually { node.isUntouched }
        await node.close()
    }

    @Test func aResultIsKeptUntilTheDeadlineOfItsCall() async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let (node, key) = try await node(hub)
        hub.call(key, id: 1, from: 77, remaining: 2_000)
        hub.call(key, id: 2, from: 77, remaining: .max)
        await clock.advance(by: 1_000_000_000)
        #expect(node.session.incoming.counts == [0, 0, 0, 2])
        _ = hub.take(.reply)
        await clock.advance(by: 1_000_000_000)
        let answers = hub.take(.reply)
        #expect(answers.map(\.call) == [1])
        #expect(answers.first?.error?.code == .deadlineExceeded && answers.first?.error?.ran == .yes)
        #expect(node.session.incoming.counts == [0, 0, 0, 1])
        hub.send(FrameWriter.credit(flags: .towardsCaller, peer: NodeID(rawValue: 77), call: 2, amount: 1 << 30))
        #expect(node.isUntouched)
        await node.close()
    }
}
