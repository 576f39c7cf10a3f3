import MessagePack
import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// The last frame of a stream.
@Suite(.timeLimit(.minutes(1))) struct StreamEndTests {
    private let reader = IncomingCall.ID(source: NodeID(rawValue: 1), call: 7)
    private let group: EventLoopGroup
    private let link = CrowdedLink()
    private let stream: OutgoingStream

    init() throws {
        group = try EventLoopGroup(loops: 1)
        let home = NodeHome(registry: Registry(limit: 10))
        stream = OutgoingStream(reader, window: 100_000, on: link, loop: group.next(), home: home)
    }

    @Test func anEndForWhichThereIsNoRoomLeavesLater() async throws {
        try await stream.send(1)
        stream.flush()
        link.refuses(3)
        await stream.finish(nil)
        #expect(link.bodies == [[1], []])
        #expect(link.refused == 3)
    }

    @Test func anEndIsNotWaitedForOnALinkThatHasEnded() async throws {
        link.ends()
        await stream.finish(nil)
        #expect(link.bodies.isEmpty)
    }

    @Test func aReaderIsToldWhyItsStreamWasMadeToFail() async throws {
        link.refuses(1)
        stream.fail(TelekinesisError(.protocolViolation, "too much credit"))
        // What the producer makes of that comes behind it.
        await stream.finish(CancellationError())
        let errors = try link.bodies.map { try MessagePackDecoder().decode(WireError.self, from: $0).message }
        #expect(errors == ["too much credit"])
    }
}

/// A link that has no room for data now and then.
private final class CrowdedLink: FrameLink {
    private struct State {
        var refusals = 0
        var refused = 0
        var hasEnded = false
        var bodies: [[UInt8]] = []
    }

    private let state = Mutex(State())
    let remoteDescription = "nowhere"

    func refuses(_ count: Int) { state.withLock { $0.refusals = count } }
    func ends() { state.withLock { $0.hasEnded = true } }
    var refused: Int { state.withLock { $0.refused } }
    /// What the frames of data that have left carry.
    var bodies: [[UInt8]] { state.withLock { $0.bodies } }

    func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome { .queued }

    func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome {
        state.withLock { state in
            if state.hasEnded { return .closed }
            if state.refusals > 0 {
                state.refusals -= 1
                state.refused += 1
                return .full
            }
            state.bodies.append(Array(tail))
            return .queued
        }
    }

    func close(_ reason: TelekinesisError) {}
}
