public import TelekinesisProtocol

/// A way on which frames travel to one other end, in order: a session over a transport, or a hand-over within the process.
public protocol FrameLink: AnyObject, Sendable {
    /// Where the other end is, for logs.
    var remoteDescription: String { get }

    /// Sends one frame, or several whole frames; never blocks, never calls back into the sender's locks.
    ///
    /// - Parameters:
    ///   - frames: the bytes, copied before the method returns.
    ///   - count: how many frames they are.
    ///   - lane: where they wait.
    ///   - patch: what to overwrite in the first frame's copy.
    ///   - limit: refuse when more than this many bytes wait already.
    func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome

    /// Sends one frame of data in the bulk lane, straight from where it lies; never blocks, never calls back into the sender's locks.
    ///
    /// - Parameters:
    ///   - head: the beginning of the frame, copied before the method returns.
    ///   - tail: the rest of it, held until it has left.
    ///   - limit: refuse when more than this many bytes wait already.
    func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome

    /// Ends the link. The other end is told the reason, then the receiver hears `ended`.
    func close(_ reason: TelekinesisError)
}

/// What became of a frame that was to be sent.
public enum SendOutcome: Sendable {
    /// It is on its way.
    case queued
    /// Too much waits already.
    case full
    /// The link has ended.
    case closed
}

/// Bounds of what waits in front of one connection, in bytes.
public enum QueueLimit {
    /// Above this, parts of large values wait at the node that sends them.
    public static let data = 4 * 1024 * 1024
    /// Above this, new calls are refused.
    public static let calls = 8 * 1024 * 1024
    /// Above this, a hub hands on nothing more of what nodes say to each other.
    public static let relayed = 24 * 1024 * 1024
    /// How much of what waits above ``calls`` may be one node's, as far as its receiver has not asked for it.
    public static let share = 4 * 1024 * 1024
    /// Above this, not even replies are taken, and the reader is too slow.
    public static let replies = 32 * 1024 * 1024
}

extension FrameLink {
    /// Sends part of a large value, straight from where it lies.
    ///
    /// - Parameter peer: whose call it belongs to.
    @discardableResult
    public func sendData(
        _ part: ArraySlice<UInt8>, flags: ChannelFlags, peer: NodeID, call: CallID, channel: UInt32 = Channel.value,
        limit: Int = QueueLimit.replies
    ) -> SendOutcome {
        withUnsafeTemporaryAllocation(byteCount: FrameType.data.headSize, alignment: 8) { head in
            FrameWriter.dataHead(over: head, tail: part.count, flags: flags, peer: peer, call: call, channel: channel)
            return send(UnsafeRawBufferPointer(head), tail: part, limit: limit)
        }
    }

    /// Sends one frame that was made here.
    @discardableResult
    public func send(_ frame: [UInt8], lane: Lane = .urgent, limit: Int = QueueLimit.replies) -> SendOutcome {
        frame.withUnsafeBytes { send($0, count: 1, lane: lane, patch: .none, limit: limit) }
    }
}

/// Who takes the frames that arrive on a link.
public protocol FrameReceiver: AnyObject, Sendable {
    /// A frame arrived. Those of a session over a transport arrive one after the other. Those of a ``LocalLink`` arrive on the threads that send
    /// them, in the order of each, and so several at once: a receiver guards what it keeps, and does not rely on an order of what other threads sent
    /// unless these order it themselves.
    ///
    /// - Parameter frame: valid during the call.
    /// - Throws: what ends the link; the other end is told.
    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError)

    /// The link has ended; said once, and last, but for frames that a ``LocalLink`` is handing over on other threads.
    func ended(_ link: any FrameLink, _ reason: TelekinesisError)
}
