import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Answers that find no room behind all that waits to leave: their calls end with that, and the connection, which others share, does not.
@Suite(.timeLimit(.minutes(1))) struct CrowdedAnswerTests {
    @Test func aResultWithoutRoomIsAnErrorOfItsCall() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        try await node.publish(function: "large") { [UInt8](repeating: 7, count: 60_000) }
        let key = try hub.publishedKey()
        let link = CrowdedLink(QueueLimit.relayed)
        link.call(key, of: node, selector: ObjectService.function)
        while link.replies.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        let error = try #require(link.replies.first?.error)
        #expect(error.code == .overloaded && error.ran == .yes && error.message.contains("leave too slowly"), "\(error)")
        #expect(link.replies.count == 1 && link.closed == nil)
        await node.close()
    }

    @Test func aDescriptionWaitsBehindLessThanResultsDo() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        try await node.publish(function: "small") { 7 }
        let key = try hub.publishedKey()
        let link = CrowdedLink(QueueLimit.calls)
        link.call(key, of: node, selector: ObjectService.describe)
        let error = try #require(link.replies.first?.error)
        #expect(error.code == .overloaded && error.ran == .no)
        link.call(key, of: node, selector: ObjectService.function)
        while link.replies.count < 2 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(link.replies.count == 2 && link.replies.last?.error == nil && link.closed == nil)
        await node.close()
    }
}

/// A link on which so much waits that what may wait behind no more finds no room.
private final class CrowdedLink: FrameLink {
    private let waiting: Int
    private let state = Mutex<(replies: [HeardFrame], closed: TelekinesisError?)>(([], nil))
    let remoteDescription = "crowded"

    init(_ waiting: Int) { self.waiting = waiting }

    var replies: [HeardFrame] { state.withLock { $0.replies } }
    var closed: TelekinesisError? { state.withLock { $0.closed } }

    /// Has a node called by somebody whose answers go this way.
    func call(_ key: ActorKey, of node: Node, selector: Selector) {
        var bytes = FrameWriter.frame(.call, body: [UInt8](repeating: 0, count: CallBody.fixedSize))
        bytes.withUnsafeMutableBytes {
            FrameWriter.call(over: $0, flags: [], peer: NodeID(rawValue: 77), call: 1, target: .key(key), remaining: 30_000)
            CallBody.writeFixed(
                UnsafeMutableRawBufferPointer(rebasing: $0[FrameType.call.headSize...]), selector: selector.rawValue, signature: 0,
                encoding: .messagePack, argumentCount: 0)
        }
        bytes.withUnsafeBytes { memory in
            if let frame = try? Frame(checking: memory) { node.session.incoming.call(frame, on: self) }
        }
    }

    func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome {
        guard limit > waiting else { return .full }
        state.withLock { $0.replies.append(HeardFrame([UInt8](frames))) }
        return .queued
    }

    func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome { .full }

    func close(_ reason: TelekinesisError) { state.withLock { $0.closed = reason } }
}
