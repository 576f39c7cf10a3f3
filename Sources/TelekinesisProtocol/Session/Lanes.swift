/// The two queues in front of a connection, and the numbering of what leaves them.
///
/// Everything but data is *urgent*: a message of it leaves before up to 64 KiB of the *bulk* lane do, and so on in turn. A small call is therefore
/// never behind a large value, and neither lane starves. Data never overtakes an urgent frame that was queued before it: that is the call or the
/// reply it belongs to. Frames are kept as the messages they will leave in, so nothing is copied when they do; parts of large values are not copied
/// at all.
public struct Lanes: Sendable {
    /// Bytes left free in front of every message: for the transport's header and the batch's own.
    public let headroom: Int
    /// Bytes of frames that wait in both lanes.
    public private(set) var queuedBytes = 0
    /// Frames that have left.
    public private(set) var sentFrames: UInt64 = 0

    private var urgent = MessageQueue()
    private var bulk = MessageQueue()
    /// Urgent frames taken in so far, and of those how many have left.
    private var urgentFrames: (queued: UInt64, sent: UInt64) = (0, 0)
    private var isBulksTurn = false
    private var spare: [UInt8] = []

    /// Messages that are handed over together take no further one when they have this many bytes: with fewer system calls and changes of process,
    /// a value of 1 MiB takes a quarter less time.
    public static let gatheredSize = 512 * 1024

    /// Empty lanes over a transport that wants `transportHeadroom` bytes for itself.
    public init(transportHeadroom: Int) {
        headroom = transportHeadroom + Batch.headSize
    }

    /// Whether nothing waits.
    public var isEmpty: Bool { queuedBytes == 0 }

    /// Puts a frame, or several whole frames, at the end of a lane.
    ///
    /// - Parameters:
    ///   - frames: the bytes of whole frames.
    ///   - count: how many frames they are.
    ///   - lane: where they wait.
    ///   - patch: what to overwrite in the queued copy of the first frame.
    @inline(__always)
    public mutating func append(_ frames: UnsafeRawBufferPointer, count: Int = 1, to lane: Lane, patch: FramePatch = .none) {
        queuedBytes += frames.count
        switch lane {
        case .urgent:
            urgentFrames.queued += UInt64(count)
            urgent.append(frames, count: count, patch: patch, after: 0, headroom: headroom, spare: &spare)
        case .bulk:
            bulk.append(frames, count: count, patch: patch, after: urgentFrames.queued, headroom: headroom, spare: &spare)
        }
    }

    /// Puts a frame of data at the end of the bulk lane.
    ///
    /// - Parameters:
    ///   - head: the beginning of the frame.
    ///   - tail: the rest of it. Where that is long it is not copied, but held until it has left.
    public mutating func append(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>) {
        append(head, to: .bulk)
        queuedBytes += tail.count
        bulk.extend(with: tail)
    }

    /// The next message to send, its batch head written; `nil` when nothing waits.
    ///
    /// - Parameter received: frames received so far, which the head acknowledges.
    /// - Returns: the message; the transport's headroom is in front of its start.
    public mutating func next(received: UInt64) -> OutgoingMessage? {
        var queued: QueuedMessage
        if !urgent.isEmpty, !isBulksTurn || bulk.isEmpty || !bulk.firstMayLeave(after: urgentFrames.sent) {
            queued = urgent.removeFirst()
            urgentFrames.sent += UInt64(queued.frames)
            isBulksTurn = true
        } else if !bulk.isEmpty {
            queued = bulk.removeFirst()
            isBulksTurn = false
        } else {
            return nil
        }
        queued.message.start = headroom - Batch.headSize
        queuedBytes -= queued.message.count - Batch.headSize
        Batch.writeHead(in: &queued.message.bytes, at: queued.message.start, first: sentFrames, received: received)
        sentFrames += UInt64(queued.frames)
        return queued.message
    }

    /// Adds the messages that are to be sent now to `messages`, in order: none when nothing waits.
    ///
    /// - Parameters:
    ///   - received: frames received so far, which the heads acknowledge.
    ///   - limit: no further message is taken when they have this many bytes.
    public mutating func gather(into messages: inout [OutgoingMessage], received: UInt64, limit: Int = gatheredSize) {
        var size = 0
        while size < limit, let message = next(received: received) {
            size += message.count
            messages.append(message)
        }
    }

    /// Takes messages back that have left, to fill a buffer again.
    public mutating func recycle(_ messages: inout [OutgoingMessage]) {
        if spare.capacity == 0, var buffer = messages.popLast()?.bytes, buffer.capacity <= 4 * Batch.fullSize {
            buffer.removeAll(keepingCapacity: true)
            spare = buffer
        }
        messages.removeAll(keepingCapacity: true)
    }

    /// Gives memory back that an idle connection need not hold.
    public mutating func trim() {
        spare = []
        if isEmpty {
            urgent = MessageQueue()
            bulk = MessageQueue()
        }
    }
}

/// Which queue a frame waits in.
public enum Lane: Sendable {
    /// Everything but data.
    case urgent
    /// Parts of large values.
    case bulk
}

/// What a relay overwrites in a frame that passes.
public struct FramePatch: Sendable {
    /// The new peer.
    public var peer: NodeID?
    /// The object that a call on a route has come to.
    public var key: ActorKey?
    /// The time that a call has left, after it waited.
    public var remaining: UInt32?
    /// For a reply: whether it comes from where the hub had sent the call.
    public var isRouted: Bool?

    /// Replaces what is given.
    public init(peer: NodeID? = nil, key: ActorKey? = nil, remaining: UInt32? = nil, isRouted: Bool? = nil) {
        self.peer = peer
        self.key = key
        self.remaining = remaining
        self.isRouted = isRouted
    }

    /// Leaves the frame as it is.
    public static let none = FramePatch()

    /// Overwrites the parts of `frame`.
    @inline(__always)
    public func apply(to frame: UnsafeMutableRawBufferPointer) {
        if let peer { FrameWriter.patch(peer: peer, in: frame) }
        if let key { FrameWriter.patch(key: key, in: frame) }
        if let remaining { FrameWriter.patch(remaining: remaining, in: frame) }
        if let isRouted { FrameWriter.patch(isRouted: isRouted, in: frame) }
    }
}

/// A message that waits.
private struct QueuedMessage: Sendable {
    var message = OutgoingMessage(bytes: [], start: 0)
    var frames = 0
    /// How many urgent frames must have left before this message may.
    var after: UInt64 = 0
}

/// Messages in the order in which they leave; the last one still takes frames.
private struct MessageQueue: Sendable {
    private var full: [QueuedMessage] = []
    private var nextFull = 0
    private var open = QueuedMessage()

    var isEmpty: Bool { open.frames == 0 && nextFull == full.count }

    /// From this size on it pays not to copy a tail, though no frame can follow it in its message.
    private static let longTail = 16 * 1024

    @inline(__always)
    mutating func append(
        _ frames: UnsafeRawBufferPointer, count: Int, patch: FramePatch, after: UInt64, headroom: Int, spare: inout [UInt8]
    ) {
        if open.message.tail != nil || open.message.bytes.count >= headroom + Batch.fullSize {
            full.append(open)
            open = QueuedMessage()
        }
        if open.frames == 0 {
            if open.message.bytes.capacity == 0 { swap(&open.message.bytes, &spare) }
            open.message.bytes.append(contentsOf: repeatElement(0, count: headroom))
        }
        let start = open.message.bytes.count
        open.message.bytes.append(contentsOf: frames)
        open.frames += count
        open.after = after
        open.message.bytes.withUnsafeMutableBytes { patch.apply(to: UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
    }

    /// Adds the end of the last frame.
    mutating func extend(with tail: ArraySlice<UInt8>) {
        if tail.count < Self.longTail { open.message.bytes.append(contentsOf: tail) } else { open.message.tail = tail }
    }

    func firstMayLeave(after sent: UInt64) -> Bool { (nextFull < full.count ? full[nextFull] : open).after <= sent }

    mutating func removeFirst() -> QueuedMessage {
        if nextFull < full.count {
            var first = QueuedMessage()
            swap(&first, &full[nextFull])
            nextFull += 1
            if nextFull == full.count {
                full = []
                nextFull = 0
            } else if nextFull >= 64, nextFull >= full.count / 2 {
                // A lane that is never empty.
                full.removeFirst(nextFull)
                nextFull = 0
            }
            return first
        }
        var last = QueuedMessage()
        swap(&last, &open)
        return last
    }
}
