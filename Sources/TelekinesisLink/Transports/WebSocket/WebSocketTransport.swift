public import Reactor
internal import Synchronization
public import TelekinesisProtocol
internal import WebSocket

/// A WebSocket over TCP whose handshake is done (RFC 6455), as one side of a ``Transport``.
///
/// Messages that arrive whole are handed out where they were read; those sent get their header in front of them in their own buffer.
public final class WebSocketTransport: Transport {
    private struct State {
        var outbox = Outbox()
        var closing = WebSocketClosing()
        /// For control frames.
        var masks: MaskKeys?
        var receiver: (any TransportReceiver)?
        /// `send` has kept a rest, and the receiver is to hear when it has left.
        var owesWritable = false
        /// End the connection when everything has left.
        var endsWhenWritten = false
        var timer: Timer?
    }

    /// The loop that reads this connection.
    public var loop: EventLoop { stream.loop }
    /// The peer's address.
    public var remoteDescription: String { "\(stream.remoteAddress)" }
    /// When the TCP connection was made: the opening handshake came after that.
    public let connectedAt: UInt64
    /// The subprotocol agreed on in the handshake, if any.
    public let subprotocol: String?

    private let stream: TCPStream
    private let role: WebSocketRole
    private let state: Mutex<State>
    /// This side has closed: what still arrives interests nobody.
    private let isClosing = Atomic<Bool>(false)
    /// Asked for whenever bytes have come.
    private let maximumMessageSize: Atomic<Int>
    /// For messages; touched only by `send`, of which there is one at a time.
    nonisolated(unsafe) private var masks: MaskKeys?
    // The following are touched only in callbacks of the stream, which come one at a time.
    nonisolated(unsafe) private var decoder: WebSocketDecoder
    nonisolated(unsafe) private var controlBudget: ControlBudget
    nonisolated(unsafe) private var isDeaf = false
    nonisolated(unsafe) private var receiver: (any TransportReceiver)?

    init(_ stream: TCPStream, connectedAt: UInt64, role: WebSocketRole, subprotocol: String?, maximumMessageSize: Int) {
        self.stream = stream
        self.connectedAt = connectedAt
        self.role = role
        self.subprotocol = subprotocol
        self.maximumMessageSize = Atomic(maximumMessageSize)
        decoder = WebSocketDecoder(role: role, maximumMessageSize: maximumMessageSize)
        controlBudget = ControlBudget(now: stream.loop.now)
        masks = role == .client ? MaskKeys() : nil
        state = Mutex(State(masks: masks))
    }

    /// Says who hears of everything; called by the stream's callbacks, before anything else.
    func start(_ receiver: any TransportReceiver) {
        self.receiver = receiver
        state.withLock { $0.receiver = receiver }
    }

    /// Changes how large a message may be; what has been read already is not asked again.
    public func limitMessages(to size: Int) { maximumMessageSize.store(size, ordering: .relaxed) }

    /// Reads nothing for a while: what comes meanwhile waits at the system, and then at the sender.
    public func pauseReading(for nanoseconds: UInt64, andWhile goesOn: @escaping @Sendable () -> Bool) {
        stream.pauseReading(for: nanoseconds, andWhile: goesOn)
    }

    // MARK: Sending

    /// Sends binary messages.
    public func send(_ messages: consuming [OutgoingMessage]) -> [OutgoingMessage]? {
        send(.binary, consume messages)
    }

    /// Sends text messages, which must be UTF-8; as ``send(_:)`` does.
    public func send(text messages: consuming [OutgoingMessage]) -> [OutgoingMessage]? {
        send(.text, consume messages)
    }

    private func send(_ opcode: WebSocketOpcode, _ messages: consuming [OutgoingMessage]) -> [OutgoingMessage]? {
        let (isOpen, isFree) = state.withLock { state in
            guard state.closing.isOpen else { return (false, false) }
            return (true, state.outbox.beginWriting())
        }
        // Closed: it is as if the messages had been lost on the way. The receiver hears of the end.
        guard isOpen else { return messages }
        for index in messages.indices { messages[index].seal(opcode, maskKey: masks?.next()) }
        let isWriter =
            isFree
            || state.withLock { [messages] state in
                if state.outbox.beginWriting() { return true }
                // A pong or a close frame is being written: whoever does that goes on with these messages.
                state.outbox.add(messages)
                state.owesWritable = true
                return false
            }
        return isWriter ? write(messages) : nil
    }

    /// Writes as the one writer, `first` and then whatever waits.
    ///
    /// - Returns: `first`, or the last of it, when all of it left. Else the receiver will be told when it has.
    private func write(_ first: consuming [OutgoingMessage]) -> [OutgoingMessage]? {
        guard let written = writeFrames(first, areMessages: true) else { return nil }
        writeRest()
        return written
    }

    private func writeFrames(_ frames: consuming [OutgoingMessage], areMessages: Bool = false) -> [OutgoingMessage]? {
        var frames = frames
        while true {
            let size = frames.reduce(0) { $0 + $1.count }
            let taken = frames.withBuffers { stream.write($0) }
            if taken == size { return frames }
            frames.remove(taken)
            let again = state.withLock { [frames] state in
                let again = state.outbox.fellShort(frames)
                if again == nil, areMessages { state.owesWritable = true }
                return again
            }
            guard let again else { return nil }
            frames = again
        }
    }

    /// What the one writer writes next. When there is nothing, whoever waited for that is told.
    private func nextToWrite() -> [OutgoingMessage]? {
        let (next, ends, waiting) = state.withLock { state -> ([OutgoingMessage]?, Bool, (any TransportReceiver)?) in
            if let next = state.outbox.next() { return (next, false, nil) }
            defer { (state.endsWhenWritten, state.owesWritable) = (false, false) }
            return (nil, state.endsWhenWritten, state.owesWritable && state.closing.isOpen ? state.receiver : nil)
        }
        if ends { end() }
        // Only a callback of the stream comes here with somebody waiting: senders do not send while they wait.
        waiting?.writable()
        return next
    }

    /// Writes what waits, if nobody else does.
    private func writeWaiting() {
        if state.withLock({ $0.outbox.beginWriting() }) { writeRest() }
    }

    private func writeRest() {
        while let next = nextToWrite() {
            guard writeFrames(next) != nil else { break }
        }
    }

    // MARK: Closing

    /// Sends a close frame, waits for the peer's for two seconds, then ends the connection.
    public func close(code: UInt16, reason: String) {
        isClosing.store(true, ordering: .relaxed)
        perform(state.withLock { $0.closing.close(WebSocketClose(code: code, reason: reason)) })
    }

    /// Takes the next step of closing.
    private func perform(_ step: WebSocketClosing.Step) {
        switch step {
        case .none: return
        case .end:
            state.withLock { $0.endsWhenWritten = true }
            writeWaiting()
        case .send(let close), .sendAndEnd(let close):
            state.withLock { state in
                state.outbox.addClose(WebSocketEncoder.frame(.close, close.payload, maskKey: state.masks?.next()))
                if case .sendAndEnd = step { state.endsWhenWritten = true }
            }
            closeSoon()
            writeWaiting()
        }
    }

    /// Ends the connection so that what was sent still arrives: a socket closed with bytes unread would reset it, and lose the close frame.
    /// The peer ends its side when it has seen that this one did; what it sends until then is thrown away.
    private func end() {
        stream.shutdownWrite()
        closeSoon()
    }

    /// Gives the peer a last moment.
    private func closeSoon() {
        let timer = loop.schedule(after: Self.patience) { [stream] in stream.close() }
        let old = state.withLock { state in
            defer { state.timer = timer }
            return state.timer
        }
        old?.cancel()
    }

    private static let patience: Int64 = 2_000_000_000
}

// MARK: - Called by the stream

extension WebSocketTransport: StreamHandler {
    /// Bytes have come.
    public func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard !isDeaf else { return }
        do throws(WebSocketFailure) {
            decoder.maximumMessageSize = maximumMessageSize.load(ordering: .relaxed)
            try decoder.receive(bytes) { handle($0) }
            try controlBudget.spend(decoder.controlFrames, now: loop.now)
        } catch {
            isDeaf = true
            perform(state.withLock { $0.closing.failed(error) })
        }
    }

    private func handle(_ event: WebSocketEvent) {
        switch event {
        case .binary(let message):
            if !isClosing.load(ordering: .relaxed) { receiver?.received(UnsafeRawBufferPointer(message)) }
        case .text(let message):
            if !isClosing.load(ordering: .relaxed) { receiver?.received(text: UnsafeRawBufferPointer(message)) }
        case .pong: return
        case .ping(let payload):
            let isOpen = state.withLock { state in
                guard state.closing.isOpen else { return false }
                state.outbox.addPong(WebSocketEncoder.frame(.pong, payload, maskKey: state.masks?.next()))
                return true
            }
            if isOpen { writeWaiting() }
        case .close(let close):
            perform(state.withLock { $0.closing.received(close) })
        }
    }

    /// The connection takes bytes again.
    public func writable() {
        if state.withLock({ $0.outbox.becameWritable() }) { writeRest() }
    }

    /// The connection has ended.
    public func closed(_ reason: StreamEnd) {
        let (close, timer) = state.withLock { state in
            _ = state.closing.ended()
            state.outbox.clear()
            defer { (state.timer, state.receiver) = (nil, nil) }
            return (state.closing.reason, state.timer)
        }
        timer?.cancel()
        var end = TransportEnd(code: close.code, reason: close.reason)
        if close == .lost, case .failed(let error) = reason { end.reason = "\(error)" }
        receiver?.closed(end)
        receiver = nil
    }
}
