public import Reactor
internal import Synchronization
public import TelekinesisProtocol

/// One end of a channel within the process whose faults a test can script: delay, back-pressure, silence, a cut in either direction.
///
/// Time is the loops' own; on a ``VirtualClock`` messages travel only when the test moves the clock. Connections with different delays reorder among
/// each other, messages of one connection never do, as with TCP.
public final class InMemoryTransport: Transport {
    private struct Departure {
        let arrival: UInt64
        let message: [UInt8]
    }

    private struct State {
        var receiver: (any TransportReceiver)?
        var peer: InMemoryTransport?
        var conditions = ChannelConditions()
        var underway: [Departure] = []
        var bytesUnderway = 0
        var isFull = false
        var sentMessages = 0
        /// Until when this end is given nothing.
        var pausedUntil: UInt64 = 0
        /// Asked then: for how much longer, in nanoseconds.
        var pauseGoesOn: (@Sendable () -> UInt64)?
        /// How the channel ended.
        var end: TransportEnd?
    }

    private let state = Mutex(State())

    /// The loop on which this end hears of messages.
    public let loop: EventLoop

    /// A name for logs.
    public let remoteDescription: String

    /// When the pair was made.
    public let connectedAt: UInt64

    private init(loop: EventLoop, remoteDescription: String) {
        self.loop = loop
        connectedAt = loop.now
        self.remoteDescription = remoteDescription
    }

    /// Two ends that are joined.
    ///
    /// - Parameters:
    ///   - loops: where each end hears of messages.
    ///   - conditions: what the way is like, in both directions, to begin with.
    public static func pair(
        _ loops: (EventLoop, EventLoop), conditions: ChannelConditions = ChannelConditions()
    ) -> (InMemoryTransport, InMemoryTransport) {
        let one = InMemoryTransport(loop: loops.0, remoteDescription: "memory:two")
        let two = InMemoryTransport(loop: loops.1, remoteDescription: "memory:one")
        one.state.withLock {
            $0.peer = two
            $0.conditions = conditions
        }
        two.state.withLock {
            $0.peer = one
            $0.conditions = conditions
        }
        return (one, two)
    }

    /// Says who hears what arrives at this end. To be called before the other end sends; if the channel has ended meanwhile, the receiver hears so.
    public func start(_ receiver: any TransportReceiver) {
        let end = state.withLock { state in
            if state.end == nil { state.receiver = receiver }
            return state.end
        }
        if let end { loop.execute { receiver.closed(end) } }
    }

    /// Changes what the way *from* this end is like, for messages sent from now on.
    public func set(_ conditions: ChannelConditions) { state.withLock { $0.conditions = conditions } }

    /// Messages sent by this end so far.
    public var sentMessages: Int { state.withLock { $0.sentMessages } }

    /// Sends messages, each of which arrives after the delay.
    public func send(_ messages: consuming [OutgoingMessage]) -> [OutgoingMessage]? {
        let messages = messages
        var tookAll = true
        for message in messages where !send(message) { tookAll = false }
        return tookAll ? messages : nil
    }

    /// - Returns: `false` when the channel is full now.
    private func send(_ message: OutgoingMessage) -> Bool {
        let payload = message.bytes[message.start...] + (message.tail ?? [])
        enum Next { case nothing, deliver(UInt64, keep: Bool), cut }
        let next = state.withLock { state -> Next in
            guard state.end == nil else { return .nothing }
            state.sentMessages += 1
            if let last = state.conditions.cutAfter, state.sentMessages > last { return .cut }
            guard !state.conditions.isSilent else { return .nothing }
            state.underway.append(Departure(arrival: loop.now + state.conditions.delay, message: Array(payload)))
            state.bytesUnderway += payload.count
            state.isFull = state.bytesUnderway > state.conditions.capacity
            return .deliver(state.conditions.delay, keep: state.isFull)
        }
        switch next {
        case .nothing: return true
        case .cut:
            cut()
            return true
        case .deliver(let delay, let keep):
            let target = state.withLock { $0.peer?.loop } ?? loop
            _ = target.schedule(after: Int64(delay)) { [weak self] in self?.deliver() }
            return !keep
        }
    }

    /// The oldest message under way arrives.
    private func deliver() {
        // One lock after the other: the peer delivers as well.
        guard let peer = state.withLock({ $0.peer }) else { return }
        let receiver = peer.state.withLock { $0.end == nil ? $0.receiver : nil }
        let pausedUntil = peer.pausedUntil
        let now = peer.loop.now
        guard pausedUntil <= now else {
            _ = peer.loop.schedule(after: Int64(clamping: pausedUntil - now)) { [weak self] in self?.deliver() }
            return
        }
        let (message, mine) = state.withLock { state -> ([UInt8]?, (any TransportReceiver)?) in
            guard state.end == nil, !state.underway.isEmpty else { return (nil, nil) }
            let departure = state.underway.removeFirst()
            state.bytesUnderway -= departure.message.count
            let drained = state.isFull && state.bytesUnderway == 0
            if drained { state.isFull = false }
            return (departure.message, drained ? state.receiver : nil)
        }
        if let message, let receiver { message.withUnsafeBytes { receiver.received($0) } }
        if let mine { loop.execute { mine.writable() } }
    }

    /// Lets what is under way to this end wait for a while.
    public func pauseReading(for nanoseconds: UInt64, andWhile goesOn: @escaping @Sendable () -> Bool) {
        let (end, overflow) = loop.now.addingReportingOverflow(nanoseconds)
        state.withLock { state in
            guard end > state.pausedUntil || overflow else { return }
            state.pausedUntil = overflow ? .max : end
            state.pauseGoesOn = { goesOn() ? nanoseconds : 0 }
        }
    }

    /// Until when nothing is handed out at this end.
    private var pausedUntil: UInt64 {
        let (end, goesOn) = state.withLock { ($0.pausedUntil, $0.pauseGoesOn) }
        let now = loop.now
        guard let goesOn, end <= now else { return end }
        let more = goesOn()
        return state.withLock { state in
            if more == 0 { state.pauseGoesOn = nil } else { state.pausedUntil = now + more }
            return state.pausedUntil
        }
    }

    /// Does nothing: messages come whole, and are not kept.
    public func limitMessages(to size: Int) {}

    /// Loses the connection without a word: both ends hear it, and what is under way is lost.
    public func cut() { end(TransportEnd(code: 1006, reason: "the connection was cut")) }

    /// Ends the connection in good order: what is under way still arrives.
    public func close(code: UInt16, reason: String) {
        let delay = state.withLock { $0.underway.isEmpty ? 0 : $0.conditions.delay }
        let end = TransportEnd(code: code, reason: reason)
        _ = loop.schedule(after: Int64(delay)) { self.end(end) }
    }

    private func end(_ end: TransportEnd) {
        let peer = state.withLock { $0.peer }
        for side in [self, peer].compactMap({ $0 }) {
            let receiver = side.state.withLock { state -> (any TransportReceiver)? in
                guard state.end == nil else { return nil }
                state.end = end
                state.underway = []
                state.pauseGoesOn = nil
                state.peer = nil
                return state.receiver.take()
            }
            if let receiver { side.loop.execute { receiver.closed(end) } }
        }
    }
}

/// What the way from one end of an ``InMemoryTransport`` to the other is like.
public struct ChannelConditions: Sendable {
    /// Nanoseconds for which a message travels.
    public var delay: UInt64
    /// Bytes that may be under way before the sender must wait.
    public var capacity: Int
    /// Messages vanish and nobody is told: a peer that died, or a broken middlebox.
    public var isSilent: Bool
    /// The connection is cut when more than this many messages are sent, counted from its beginning.
    public var cutAfter: Int?

    /// Conditions; by default there are no faults.
    public init(delay: UInt64 = 0, capacity: Int = .max, isSilent: Bool = false, cutAfter: Int? = nil) {
        self.delay = delay
        self.capacity = capacity
        self.isSilent = isSilent
        self.cutAfter = cutAfter
    }
}
