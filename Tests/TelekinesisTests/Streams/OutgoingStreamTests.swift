import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What the elements of a stream hand over.
@Suite(.timeLimit(.minutes(1))) struct OutgoingStreamTests {
    private let reader = IncomingCall.ID(source: NodeID(rawValue: 1), call: 7)
    private let group: EventLoopGroup
    private let home = NodeHome(registry: Registry(limit: 10))
    private let link = FullLink()
    private let stream: OutgoingStream

    init() throws {
        group = try EventLoopGroup(loops: 1)
        stream = OutgoingStream(reader, window: 100_000, on: link, loop: group.next(), home: home)
    }

    @Test func ownersAreToldOnceOfAnElementThatHasToWait() async throws {
        link.refuses(3)
        try await stream.send(ActorID(ActorTarget(.object(.random()), .remote, node: NodeID(rawValue: 9))))
        await stream.finish(nil)
        #expect(link.refused == 3)
        #expect(link.count(.share) == 1 && link.count(.data) == 2)
    }
}

/// A link that has no room for data now and then.
private final class FullLink: FrameLink {
    private struct State {
        var refusals = 0
        var refused = 0
        var sent: [FrameType: Int] = [:]
    }

    private let state = Mutex(State())
    let remoteDescription = "nowhere"

    func refuses(_ count: Int) { state.withLock { $0.refusals = count } }
    var refused: Int { state.withLock { $0.refused } }
    func count(_ type: FrameType) -> Int { state.withLock { $0.sent[type] ?? 0 } }

    func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome {
        if let type = (try? Frame(checking: frames))?.type { state.withLock { $0.sent[type, default: 0] += count } }
        return .queued
    }

    func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome {
        state.withLock { state in
            if state.refusals > 0 {
                state.refusals -= 1
                state.refused += 1
                return .full
            }
            state.sent[.data, default: 0] += 1
            return .queued
        }
    }

    func close(_ reason: TelekinesisError) {}
}
