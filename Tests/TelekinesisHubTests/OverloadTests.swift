import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// One destination that does not read must stall nobody else, and cost no more than its share.
@Suite struct OverloadTests {
    @Test func callsToAFullProviderAreRefusedAndDidNotRun() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        let key = try provider.publish("a")
        try caller.resolve("a", route: 1)
        link.limitIs(QueueLimit.calls)
        let routed = caller.answer(to: caller.call(.route(1)))?.error
        #expect(routed?.code == .overloaded && routed?.ran == .no)
        let direct = caller.answer(to: caller.call(.key(key), at: provider.id))
        #expect(direct?.error?.code == .overloaded && direct?.peer == provider.id)
        #expect(hub.statistics.openCalls == 0)
        // Other words still pass; and calls do when there is room again.
        caller.send(FrameWriter.release(key, of: provider.id, count: 1))
        #expect(provider.take(.release).count == 1)
        link.limitIs(nil)
        caller.call(.route(1))
        #expect(provider.take(.call).count == 1)
    }

    @Test func whoeverDoesNotReadRepliesHasToGo() async throws {
        let hub = try await startHub()
        let provider = try SimulatedNode(hub)
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        caller.call(.route(1))
        let call = try #require(provider.take(.call).first)
        link.limitIs(QueueLimit.replies)
        provider.reply(to: call)
        #expect(link.closed?.code == .overloaded && link.closed?.message.contains("slow reader") == true)
        #expect(provider.end == nil && provider.take(.gone).count == 1)
        #expect(hub.statistics.sessions == 1 && hub.statistics.peers == 0)
    }

    @Test func argumentsThatDoNotFitFailTheirCall() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1), flags: .more)
        link.limitIs(QueueLimit.calls)
        caller.send(FrameWriter.data(flags: .last, peer: .hub, call: id, bytes: [1]), lane: .bulk)
        let error = caller.answer(to: id)?.error
        #expect(error?.code == .overloaded && error?.ran == .no)
        #expect(provider.take(.cancel).map(\.call) == [id])
        #expect(hub.statistics.openCalls == 0)
    }

    @Test func resultThatDoesNotFitFailsItsCall() async throws {
        let hub = try await startHub()
        let provider = try SimulatedNode(hub)
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1))
        let call = try #require(provider.take(.call).first)
        provider.reply(to: call, flags: .more)
        link.limitIs(QueueLimit.calls)
        provider.send(FrameWriter.data(flags: .towardsCaller, peer: caller.id, call: id, bytes: [1]), lane: .bulk)
        let answers = caller.take(.reply)
        #expect(answers.last?.error?.code == .overloaded && answers.last?.error?.ran == .yes)
        #expect(provider.take(.cancel).map(\.peer) == [caller.id])
        #expect(hub.statistics.openCalls == 0 && caller.end == nil)
    }

    @Test func elementsThatDoNotFitEndTheirStreamAndNothingElse() async throws {
        let hub = try await startHub()
        let provider = try SimulatedNode(hub)
        let (reader, link) = try SimulatedNode.narrow(at: hub)
        let other = try SimulatedNode(hub)
        // Both have opened streams by reference.
        let (slow, quick) = (reader.call(.key(.random()), at: provider.id), other.call(.key(.random()), at: provider.id))
        #expect(provider.take(.call).count == 2)
        link.limitIs(QueueLimit.calls)
        for _ in 0..<3 {
            for (node, call) in [(reader, slow), (other, quick)] {
                let element = FrameWriter.data(flags: .towardsCaller, peer: node.id, call: call, channel: Channel.stream, bytes: [1])
                provider.send(element, lane: .bulk)
            }
        }
        #expect(reader.take(.reply).first?.error?.code == .overloaded)
        #expect(Set(provider.take(.cancel).map(\.peer)) == [reader.id])
        #expect(other.take(.data).count == 3 && reader.end == nil && provider.end == nil)
    }

    @Test func theHubsOwnAnswersAreNotLostEither() async throws {
        let hub = try await startHub()
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        link.limitIs(QueueLimit.replies)
        caller.call(.route(1))
        #expect(link.closed?.message.contains("slow reader") == true)
        #expect(hub.statistics.sessions == 0)
    }

    @Test func dataOfAStrangerEndsNobodysCall() async throws {
        let hub = try await startHub()
        let (provider, stranger) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1))
        let call = try #require(provider.take(.call).first)
        // The two have met.
        stranger.call(.key(.random()), at: caller.id)
        link.limitIs(QueueLimit.calls)
        stranger.send(FrameWriter.data(flags: .towardsCaller, peer: caller.id, call: id, bytes: [1]), lane: .bulk)
        link.limitIs(nil)
        #expect(hub.statistics.openCalls == 1 && caller.take(.reply).isEmpty)
        provider.reply(to: call)
        let reply = try #require(caller.answer(to: id))
        #expect(ReplyFlags(rawValue: reply.flags).contains(.routed))
    }

    @Test func aCallToAnObjectWhoseProviderIsClosingIsAnswered() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        try provider.publish("Class", kind: .class)
        try caller.resolve("Class", route: 1)
        let key = ActorKey.random()
        caller.call(.route(1), flags: .resultKey, body: CreationTests.bytes(key))
        // The link takes nothing more, but its session has not heard of the end yet.
        link.close(TelekinesisError(.protocolViolation, "a frame is cut short"))
        let error = caller.answer(to: caller.call(.key(key)))?.error
        #expect(error?.code == .disconnected && error?.ran == .no)
    }
}

/// The hub's end of a link on which as much waits as a test says.
private final class NarrowLink: FrameLink {
    private struct State {
        var full: Int?
        var node: SimulatedNode?
        var closed: TelekinesisError?
    }

    private let state = Mutex(State())
    let remoteDescription = "narrow"

    /// Whatever may wait behind no more than this finds no room.
    func limitIs(_ limit: Int?) { state.withLock { $0.full = limit } }
    var closed: TelekinesisError? { state.withLock { $0.closed } }
    func connect(_ node: SimulatedNode) { state.withLock { $0.node = node } }

    func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome {
        (head + tail).withUnsafeBytes { send($0, count: 1, lane: .bulk, patch: .none, limit: limit) }
    }

    func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome {
        let (node, isFull) = state.withLock { ($0.node, $0.full.map { limit <= $0 } ?? false) }
        guard let node else { return .closed }
        guard !isFull else { return .full }
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
        }
    }
}

/// The node's end.
private final class WideLink: FrameLink {
    let session: HubSession
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
        if let frame = try? Frame(checking: frames) { try? session.received(frame, on: other) }
        return .queued
    }

    func close(_ reason: TelekinesisError) { session.ended(other, reason) }
}

extension SimulatedNode {
    /// A node, and the end of its link that the hub writes to.
    fileprivate static func narrow(at hub: Hub) throws -> (SimulatedNode, NarrowLink) {
        let session = HubSession(hub.board, loop: hub.eventLoops.next(), isLocal: true)
        try hub.board.arrive(session)
        let link = NarrowLink()
        let node = SimulatedNode(WideLink(session, link))
        link.connect(node)
        try node.shakeHands()
        return (node, link)
    }
}
