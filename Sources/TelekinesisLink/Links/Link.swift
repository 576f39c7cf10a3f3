public import Reactor
internal import Synchronization
public import TelekinesisProtocol

/// A session over a transport: batches and counts frames, keeps small ones ahead of large values, notices a dead peer.
///
/// Frames may be sent from any thread. Whoever fills the lanes flushes them: at the end of the tick when that thread runs an event loop, else at
/// once. Only when the connection is full does its own loop take over.
public final class Link: FrameLink, TransportReceiver, Flushable {
    private enum Phase { case handshake, open, closed }

    private struct State {
        var lanes = Lanes(transportHeadroom: TransportLimits.headroom)
        /// An empty list, kept for its memory.
        var messages: [OutgoingMessage] = []
        var phase = Phase.handshake
        /// A flush will come: nobody else need ask for one.
        var flushIsDue = false
        /// Some thread is writing; it goes round again for what was queued meanwhile.
        var isWriting = false
        /// The transport took the rest of a message while its writer had not yet noted that there was one.
        var becameWritable = false
        /// The connection was full since the lanes were last empty. Then no more is taken from the lanes at a time than must be: whatever the
        /// connection does not take stays in front of the next urgent frame.
        var isCongested = false
        /// When the connection became full.
        var fullSince: UInt64?
        /// Close when everything queued has left.
        var closing: TelekinesisError?
        var liveness: Liveness
        var timer: Timer?
    }

    private let transport: any Transport
    private let receiver: any FrameReceiver
    private let state: Mutex<State>
    private let receivedFrames = Atomic<UInt64>(0)
    private let lastHeard: Atomic<UInt64>
    private let limits: LinkLimits
    /// Bytes received before the session was open; touched by the transport's loop only.
    private let unauthenticatedBytes = Atomic<Int>(0)
    private let isOpen = Atomic<Bool>(false)
    /// Frames received of late; touched only where messages are received, which is one at a time.
    nonisolated(unsafe) private var frames: TokenBucket
    /// Whether more waits to leave than ``LinkLimits/unsentWhileReading``, or did a moment ago. Changed with `state` locked.
    private let isBehind = Atomic<Bool>(false)
    /// This end has said goodbye: what still arrives is handed to nobody.
    private let isClosing = Atomic<Bool>(false)

    /// A session over a transport that is connected. The transport's events must be given to this object.
    ///
    /// - Parameters:
    ///   - transport: the channel.
    ///   - receiver: who takes the frames, those of the handshake included.
    public init(_ transport: any Transport, receiver: any FrameReceiver, limits: LinkLimits = LinkLimits()) {
        self.transport = transport
        self.receiver = receiver
        self.limits = limits
        let now = transport.loop.now
        lastHeard = Atomic(now)
        frames = TokenBucket(limits.frames, now: now)
        state = Mutex(State(liveness: Liveness(interval: limits.pingInterval, limit: limits.deadAfter, now: now)))
        // Timers hold the link, not weakly, which would make every retain of it slower; the end of the transport cancels them.
        // What went before on the connection has taken its share of the time: nobody has it twice.
        let (end, overflow) = transport.connectedAt.addingReportingOverflow(limits.handshake)
        let left = overflow ? Int64.max : Int64(clamping: end > now ? end - now : 0)
        let timer = transport.loop.schedule(after: left) { self.handshakeTimedOut() }
        state.withLock { $0.timer = timer }
    }

    /// The loop that reads this link.
    public var loop: EventLoop { transport.loop }

    /// Where the other end is.
    public var remoteDescription: String { transport.remoteDescription }

    /// The handshake is done: limits for strangers no longer hold, and a silent peer is asked from now on.
    public func open() {
        isOpen.store(true, ordering: .relaxed)
        transport.limitMessages(to: TransportLimits.maximumMessage)
        let timer = state.withLock { state -> Timer? in
            guard state.phase == .handshake else { return nil }
            state.phase = .open
            return state.timer
        }
        timer?.cancel()
        checkLiveness()
    }

    // MARK: Sending

    /// Queues frames and sees to it that they leave.
    public func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome {
        queue(limit: limit) { $0.append(frames, count: count, to: lane, patch: patch) }
    }

    /// Queues a frame of data, of which only the head is copied, and sees to it that it leaves.
    public func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome {
        queue(limit: limit) { $0.append(head, tail: tail) }
    }

    @inline(__always)
    private func queue(limit: Int, _ append: (inout Lanes) -> Void) -> SendOutcome {
        let (outcome, mustFlush) = state.withLock { state -> (SendOutcome, Bool) in
            guard state.phase != .closed, state.closing == nil else { return (.closed, false) }
            guard state.lanes.queuedBytes <= limit else { return (.full, false) }
            append(&state.lanes)
            if state.lanes.queuedBytes > limits.unsentWhileReading { isBehind.store(true, ordering: .relaxed) }
            defer { state.flushIsDue = true }
            return (.queued, !state.flushIsDue && state.fullSince == nil)
        }
        if mustFlush, !EventLoop.flushAtEndOfTick(self) { flush() }
        return outcome
    }

    /// Writes what is queued until nothing is left or the connection is full.
    public func flush() {
        var messages: [OutgoingMessage] = []
        let mine = state.withLock { state -> Bool in
            state.flushIsDue = false
            guard !state.isWriting, state.fullSince == nil, state.phase != .closed else { return false }
            state.isWriting = true
            swap(&messages, &state.messages)
            return true
        }
        guard mine else { return }
        while true {
            let received = receivedFrames.load(ordering: .relaxed)
            let (isAny, closing) = state.withLock { state -> (Bool, TelekinesisError?) in
                state.lanes.recycle(&messages)
                state.flushIsDue = false
                state.becameWritable = false
                if state.phase != .closed {
                    let limit = state.isCongested ? 1 : Lanes.gatheredSize
                    state.lanes.gather(into: &messages, received: received, limit: limit)
                }
                if !messages.isEmpty { return (true, nil) }
                (state.isWriting, state.isCongested) = (false, false)
                swap(&messages, &state.messages)
                return (false, state.closing)
            }
            guard isAny else {
                if let closing { transport.close(code: closing.closeCode, reason: closing.message) }
                return
            }
            // Handed over without keeping a reference: the transport writes its heads into the messages.
            var outgoing: [OutgoingMessage] = []
            swap(&outgoing, &messages)
            if let used = transport.send(consume outgoing) {
                messages = used
            } else {
                let now = transport.loop.now
                let isFull = state.withLock { state -> Bool in
                    guard !state.becameWritable else { return false }
                    (state.isWriting, state.isCongested) = (false, true)
                    state.fullSince = now
                    return true
                }
                if isFull { return }
            }
        }
    }

    /// The rest has left; more may go.
    public func writable() {
        let wasFull = state.withLock { state -> Bool in
            if state.isWriting { state.becameWritable = true }
            guard state.fullSince != nil else { return false }
            state.fullSince = nil
            return true
        }
        if wasFull { flush() }
    }

    // MARK: Receiving

    /// A batch arrived. The first frame that breaks the rules ends the link, and with it all that comes behind, in this batch or in later ones: the
    /// connection may stay open for a while, until the goodbye has left.
    public func received(_ message: UnsafeRawBufferPointer) {
        guard !isClosing.load(ordering: .relaxed) else { return }
        let now = transport.loop.now
        lastHeard.store(now, ordering: .relaxed)
        do throws(TelekinesisError) {
            if !isOpen.load(ordering: .relaxed) { try admitStranger(message.count) }
            let earlier = receivedFrames.load(ordering: .relaxed)
            var number = earlier
            let head = try Batch.head(of: message)
            guard head.first == number else {
                throw TelekinesisError(.protocolViolation, "frame \(number) was expected, \(head.first) came")
            }
            var rest = UnsafeRawBufferPointer(rebasing: message[Batch.headSize...])
            while !rest.isEmpty, !isClosing.load(ordering: .relaxed) {
                let frame = try Frame(checking: rest)
                number += 1
                switch frame.type {
                case .ping: send(FrameWriter.frame(.pong))
                case .pong, nil: break
                default: try receiver.received(frame, on: self)
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[frame.bytes.count...])
            }
            receivedFrames.store(number, ordering: .relaxed)
            // A message without any costs something too.
            frames.charge(max(1, Int(number - earlier)), limits.frames, now: now)
            let debt = frames.debt(limits.frames)
            if debt > 0 {
                transport.pauseReading(for: debt, andWhile: { false })
            } else if isBehind.load(ordering: .relaxed), staysBehind() {
                transport.pauseReading(for: Self.pauseWhileBehind) { self.staysBehind() }
            }
        } catch {
            close(error)
        }
    }

    /// How long to wait before looking again whether what waits has left, in nanoseconds.
    private static let pauseWhileBehind: UInt64 = 5_000_000

    /// Whether so much waits to leave that nothing more should be read.
    private func staysBehind() -> Bool {
        state.withLock { state in
            let isBehind = state.phase != .closed && state.lanes.queuedBytes > limits.unsentWhileReading
            if !isBehind { self.isBehind.store(false, ordering: .relaxed) }
            return isBehind
        }
    }

    /// Text has no place in a binary session.
    public func received(text: UnsafeRawBufferPointer) {
        close(TelekinesisError(.protocolViolation, "a text message in a binary session"))
    }

    private func admitStranger(_ size: Int) throws(TelekinesisError) {
        let total = unauthenticatedBytes.add(size, ordering: .relaxed).newValue
        guard size <= limits.messageBeforeAuthentication, total <= limits.totalBeforeAuthentication else {
            throw TelekinesisError(
                .tooLarge,
                "before authentication a message has at most \(limits.messageBeforeAuthentication) bytes, "
                    + "all together \(limits.totalBeforeAuthentication)")
        }
    }

    // MARK: Ending

    /// Says goodbye, lets what is queued leave, and closes.
    public func close(_ reason: TelekinesisError) {
        let bye = Handshake.bye(reason)
        let first = state.withLock { state -> Bool in
            guard state.phase != .closed, state.closing == nil else { return false }
            // Behind everything else, parts of large values included.
            bye.withUnsafeBytes { state.lanes.append($0, to: .bulk) }
            state.closing = reason
            return true
        }
        guard first else { return }
        isClosing.store(true, ordering: .relaxed)
        // A peer that does not read must not keep the connection open.
        let grace = transport.loop.schedule(after: Int64(limits.closing)) { [transport] in
            transport.close(code: reason.closeCode, reason: reason.message)
        }
        let old = state.withLock { state in
            defer { state.timer = grace }
            return state.timer
        }
        old?.cancel()
        flush()
    }

    /// The transport has ended.
    public func closed(_ end: TransportEnd) {
        let (timer, reason) = state.withLock { state -> (Timer?, TelekinesisError?) in
            state.phase = .closed
            state.lanes = Lanes(transportHeadroom: TransportLimits.headroom)
            defer { state.timer = nil }
            return (state.timer, state.closing)
        }
        timer?.cancel()
        receiver.ended(self, reason ?? TelekinesisError(.disconnected, end.reason.sentence, ran: .maybe, cause: end))
    }

    private func handshakeTimedOut() {
        if !isOpen.load(ordering: .relaxed) {
            close(TelekinesisError(.unauthenticated, "the handshake took more than \(limits.handshake / 1_000_000_000) s"))
        }
    }

    private func checkLiveness() {
        let now = transport.loop.now
        let heard = lastHeard.load(ordering: .relaxed)
        let (action, isStuck) = state.withLock { state -> (Liveness.Action?, Bool) in
            guard state.phase == .open, state.closing == nil else { return (nil, false) }
            state.liveness.heard(at: heard)
            let action = state.liveness.check(at: now)
            if case .ping = action {
                state.lanes.trim()
                state.messages = []
            }
            return (action, state.fullSince.map { now &- $0 > limits.stuck } ?? false)
        }
        if isStuck {
            return abort(TelekinesisError(.overloaded, "the peer read nothing for \(limits.stuck / 1_000_000_000) s", ran: .maybe))
        }
        switch action {
        case nil: return
        case .dead: abort(TelekinesisError(.disconnected, "the peer was silent for \(limits.deadAfter / 1_000_000_000) s", ran: .maybe))
        case .ping(let next):
            send(FrameWriter.frame(.ping))
            scheduleLivenessCheck(at: next, now: now)
        case .wait(let next):
            scheduleLivenessCheck(at: next, now: now)
        }
    }

    private func scheduleLivenessCheck(at next: UInt64, now: UInt64) {
        let timer = transport.loop.schedule(after: Int64(next - now)) { self.checkLiveness() }
        state.withLock { $0.timer = timer }
    }

    /// Ends a link whose peer does not answer: there is no use in waiting for a goodbye to leave.
    private func abort(_ reason: TelekinesisError) {
        isClosing.store(true, ordering: .relaxed)
        state.withLock { $0.closing = $0.closing ?? reason }
        transport.close(code: reason.closeCode, reason: reason.message)
    }
}

/// The limits of one link; times in nanoseconds, sizes in bytes.
public struct LinkLimits: Sendable {
    /// All of the handshake, from the moment at which the connection was made.
    public var handshake: UInt64 = 5_000_000_000
    /// Silence after which a peer is asked.
    public var pingInterval: UInt64 = 15_000_000_000
    /// Silence after which a peer is dead.
    public var deadAfter: UInt64 = 30_000_000_000
    /// For how long a peer may leave a full connection unread.
    public var stuck: UInt64 = 60_000_000_000
    /// For how long a goodbye may wait to leave.
    public var closing: UInt64 = 2_000_000_000
    /// One message before authentication.
    public var messageBeforeAuthentication = 16 * 1024
    /// All messages before authentication.
    public var totalBeforeAuthentication = 32 * 1024
    /// Frames that the peer may send. One that sends more is read more slowly, and loses nothing.
    public var frames = Rate(perSecond: 1_000_000, burst: 1_000_000)

    /// What may wait to leave while more is read: what is read may have to be answered, and the sender hears in this way that it is too much. No limit
    /// where the other end has one: two that wait for each other would wait for ever.
    public var unsentWhileReading = Int.max

    /// The default limits.
    public init() {}
}

extension TelekinesisError {
    /// The close code that goes with this error (RFC 6455 §7.4.1, and its range for applications).
    var closeCode: UInt16 {
        switch code {
        case .protocolViolation: 1002
        case .unauthenticated, .forbidden: 1008
        case .tooLarge: 1009
        case .internalError: 1011
        case .overloaded: 1013
        default: 1000
        }
    }
}
