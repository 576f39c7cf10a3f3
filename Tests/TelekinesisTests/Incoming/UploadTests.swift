import Reactor
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Arguments that come in parts, and do not all come.
@Suite(.timeLimit(.minutes(1))) struct UploadTests {
    private static let kibibyte = 1024

    private func node(_ hub: ScriptedHub) async throws -> (Node, ActorKey) {
        let node = try await Node.connect(hub) {
            $0.maximumValue = 100 * Self.kibibyte
            $0.maximumPartialBytes = 400 * Self.kibibyte
            $0.maximumPartialBytesPerCaller = 150 * Self.kibibyte
            $0.maximumCallsPerCaller = 5
        }
        try await node.publish(function: "size") { (bytes: [UInt8]) in bytes.count }
        return (node, try hub.publishedKey())
    }

    @Test func oneCallersUnfinishedArgumentsLeaveRoomForOthers() async throws {
        let hub = try ScriptedHub()
        let (node, key) = try await node(hub)
        let uploads = { node.session.incoming.counts[1] }
        for id in 1...3 as ClosedRange<CallID> { hub.call(key, id: id, from: 77, firstOfMany: 60 * Self.kibibyte) }
        #expect(uploads() == 2)
        let error = try #require(try await hub.answer(to: 3).error)
        #expect(error.code == .overloaded && error.ran == .no && error.message.contains("maximumPartialBytesPerCaller"))
        // More of what is on its way finds no room either; that call ends.
        let data = FrameWriter.data(flags: [], peer: NodeID(rawValue: 77), call: 2, bytes: ArraySlice([UInt8](repeating: 1, count: 35_000)))
        hub.send(data)
        #expect(try await hub.answer(to: 2).error?.code == .overloaded)
        #expect(uploads() == 1)
        // Others have a share of their own.
        for id in 1...2 as ClosedRange<CallID> { hub.call(key, id: id, from: 78, firstOfMany: 60 * Self.kibibyte) }
        #expect(uploads() == 3)
        hub.send(FrameWriter.frame(.gone, peer: NodeID(rawValue: 78), call: 1))
        #expect(uploads() == 1)
        // Small beginnings are counted as well.
        for id in 4...8 as ClosedRange<CallID> { hub.call(key, id: id, from: 77, firstOfMany: 1) }
        #expect(try await hub.answer(to: 8).error?.code == .overloaded)
        #expect(uploads() == 5)
        hub.send(FrameWriter.frame(.gone, peer: NodeID(rawValue: 77), call: 1))
        #expect(node.isUntouched)
        await node.close()
    }

    @Test func argumentsThatAreNotThereByTheDeadlineAreForgotten() async throws {
        let clock = VirtualClock()
        let hub = try ScriptedHub(clock: .virtual(clock))
        let (node, key) = try await node(hub)
        hub.call(key, id: 1, from: 77, remaining: 2_000, firstOfMany: 1_000)
        // A small call to the same object waits behind it.
        hub.call(key, id: 2, from: 77)
        await clock.advance(by: 1_999_000_000)
        #expect(node.session.incoming.counts[1] == 1)
        await clock.advance(by: 1_000_000)
        let answers = hub.take(.reply)
        let error = answers.first { $0.call == 1 }?.error
        #expect(error?.code == .deadlineExceeded && error?.ran == .no)
        #expect(answers.contains { $0.call == 2 })
        #expect(node.isUntouched)
        // What comes of it afterwards interests nobody.
        hub.send(FrameWriter.data(flags: .last, peer: NodeID(rawValue: 77), call: 1, bytes: [1, 2, 3]))
        #expect(node.isUntouched)
        await node.close()
    }

    @Test func argumentsHaveTheirRoomUntilTheCallIsAnswered() async throws {
        let hub = try ScriptedHub()
        let (node, _) = try await node(hub)
        let (gate, opening) = AsyncStream.makeStream(of: Void.self)
        try await node.publish(function: "slow", concurrency: 1) { for await _ in gate {} }
        let key = try hub.publishedKey()
        func call(_ id: CallID, from peer: UInt64) {
            hub.call(key, id: id, from: peer, firstOfMany: 60 * Self.kibibyte)
            hub.finish(id, from: peer, with: [1])
        }
        // Whole, one in a method that waits, the other at the gate.
        for id in 1...2 as ClosedRange<CallID> { call(id, from: 77) }
        #expect(node.session.incoming.counts[0...1] == [2, 0])
        #expect(node.session.incoming.counts[2] > 120 * Self.kibibyte)
        call(3, from: 77)
        #expect(try await hub.answer(to: 3).error?.code == .overloaded)
        // The id of one that runs is taken, and its room remains its own.
        call(1, from: 77)
        #expect(try await hub.answer(to: 1).error?.code == .protocolViolation)
        #expect(node.session.incoming.counts[2] > 120 * Self.kibibyte)
        // Others have their own share, also of what comes in one frame.
        call(1, from: 78)
        for id in 2...3 as ClosedRange<CallID> { hub.call(key, id: id, from: 78, size: 60 * Self.kibibyte) }
        #expect(try await hub.answer(to: 3).error?.code == .overloaded)
        hub.send(FrameWriter.frame(.cancel, peer: NodeID(rawValue: 78), call: 2))
        #expect(try await hub.answer(to: 2).error?.code == .cancelled)
        #expect(node.session.incoming.counts[0] == 3)
        // With the answer there is room again.
        hub.send(FrameWriter.frame(.cancel, peer: NodeID(rawValue: 77), call: 2))
        #expect(try await hub.answer(to: 2).error?.code == .cancelled)
        call(4, from: 77)
        #expect(node.session.incoming.counts[0] == 3)
        opening.finish()
        try await eventually { node.isUntouched }
        #expect(hub.take(.reply).allSatisfy { $0.error == nil })
        await node.close()
    }
}
