import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol

@testable import TelekinesisHub

/// The hub's end of a link on which as much waits as a test says.
final class NarrowLink: FrameLink {
    private struct State {
        var full: Int?
        var node: SimulatedNode?
        var closed: TelekinesisError?
        var onFrame: (@Sendable (FrameType?) -> Void)?
    }

    private let state = Mutex(State())
    let remoteDescription = "narrow"

    /// Whatever may wait behind no more than this finds no room.
    func limitIs(_ limit: Int?) { state.withLock { $0.full = limit } }
    /// What happens, elsewhere it seems, just before a frame arrives.
    func beforeEach(_ body: (@Sendable (FrameType?) -> Void)?) { state.withLock { $0.onFrame = body } }
    var closed: TelekinesisError? { state.withLock { $0.closed } }
    func connect(_ node: SimulatedNode) { state.withLock { $0.node = node } }

    func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome {
        (head + tail).withUnsafeBytes { send($0, count: 1, lane: .bulk, patch: .none, limit: limit) }
    }

    func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome {
        let (node, isFull, onFrame) = state.withLock { ($0.node, $0.full.map { limit <= $0 } ?? false, $0.onFrame) }
        guard let node else { return .closed }
        guard !isFull else { return .full }
        onFrame?((try? Frame(checking: frames))?.type)
        var copy = [UInt8](frames)
        copy.withUnsafeMutableBytes { patch.apply(to: $0) }
        copy.withUnsafeBytes { bytes in
            if let frame = try? Frame(checking: bytes) { try? node.received(frame, on: node.link) }
        }
        return .queued
    }

    func close(_ reason: TelekinesisError) {
        state.withLock { state in
            state.closed = reason
            state.node = nil
            state.onFrame = nil
        }
    }
}

/// The node's end.
private final class WideLink: FrameLink {
    /// Held by the hub as long as it is one.
    weak let session: HubSession?
    let other: NarrowLink
    let remoteDescription = "wide"

    init(_ session: HubSession, _ other: NarrowLink) {
        self.session = session
        self.other = other
    }

    func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome {
        (head + tail).withUnsafeBytes { send($0, count: 1, lane: .bulk, patch: .none, limit: limit) }
    }

    func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome {
        if let frame = try? Frame(checking: frames) { try? session?.received(frame, on: other) }
        return .queued
    }

    func close(_ reason: TelekinesisError) { session?.ended(other, reason) }
}

extension SimulatedNode {
    /// A node, and the end of its link that the hub writes to.
    static func narrow(at hub: Hub) throws -> (SimulatedNode, NarrowLink) {
        let session = HubSession(hub.board, loop: hub.eventLoops.next(), isLocal: true)
        try hub.board.arrive(session)
        let link = NarrowLink()
        let node = SimulatedNode(WideLink(session, link))
        link.connect(node)
        try node.shakeHands()
        return (node, link)
    }
}
