internal import Synchronization
public import TelekinesisProtocol

/// One end of a link within the process: frames are handed over on the thread that sends them, with no session, no copy on a wire and no hop. Threads that
/// send at once are not held up by each other: see ``FrameReceiver/received(_:on:)``.
public final class LocalLink: FrameLink {
    private struct State {
        var receiver: (any FrameReceiver)?
        var other: LocalLink?
        /// Why the link has ended.
        var end: TelekinesisError?
    }

    private let state = Mutex(State())

    /// Where the other end is.
    public let remoteDescription: String

    private init(_ remoteDescription: String) { self.remoteDescription = remoteDescription }

    /// Two ends that are joined. Each needs its receiver before the other sends.
    public static func pair() -> (LocalLink, LocalLink) {
        let one = LocalLink("in this process")
        let two = LocalLink("in this process")
        one.state.withLock { $0.other = two }
        two.state.withLock { $0.other = one }
        return (one, two)
    }

    /// Says who takes the frames that arrive at this end. If the link has ended meanwhile, the receiver hears so before the method returns.
    public func start(_ receiver: any FrameReceiver) {
        let end = state.withLock { state in
            if state.end == nil { state.receiver = receiver }
            return state.end
        }
        if let end { receiver.ended(self, end) }
    }

    /// Hands the frames to the other end before it returns.
    public func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome {
        handOver(size: frames.count) { copy in
            copy.copyMemory(from: frames)
            patch.apply(to: copy)
        }
    }

    /// Hands the frame to the other end before it returns.
    public func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome {
        handOver(size: head.count + tail.count) { copy in
            copy.copyMemory(from: head)
            tail.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: copy[head.count...]).copyMemory(from: $0) }
        }
    }

    @inline(__always)
    private func handOver(size: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void) -> SendOutcome {
        guard let other = state.withLock({ $0.other }), let receiver = other.state.withLock({ $0.receiver }) else { return .closed }
        withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { copy in
            write(copy)
            var rest = UnsafeRawBufferPointer(copy)
            do throws(TelekinesisError) {
                while !rest.isEmpty {
                    let frame = try Frame(checking: rest)
                    try receiver.received(frame, on: other)
                    rest = UnsafeRawBufferPointer(rebasing: rest[frame.bytes.count...])
                    // The receiver may have closed the link: what is behind that is handed to nobody.
                    if !rest.isEmpty, other.hasEnded { break }
                }
            } catch {
                other.close(error)
            }
        }
        return .queued
    }

    private var hasEnded: Bool { state.withLock { $0.receiver == nil } }

    /// Ends both ends.
    public func close(_ reason: TelekinesisError) {
        let (mine, other) = state.withLock { state in
            defer { state = State(end: state.end ?? reason) }
            return (state.receiver, state.other)
        }
        mine?.ended(self, reason)
        other?.close(reason)
    }
}
