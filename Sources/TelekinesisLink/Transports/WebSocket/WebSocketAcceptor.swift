public import HTTP
public import Reactor
internal import Synchronization
public import TelekinesisProtocol
public import WebSocket

/// Makes WebSockets of the connections that a server accepts, and answers plain HTTP requests that come to the same port.
public struct WebSocketAcceptor: Sendable {
    /// Who may connect, and what they may speak.
    public var policy: ServerHandshake.Policy
    /// For how long a client may take to ask for something, in nanoseconds.
    public var timeout: UInt64 = 5_000_000_000
    /// The largest message taken, in bytes.
    public var maximumMessageSize = TransportLimits.maximumMessage
    /// Answers requests that do not ask for a WebSocket, once their sender has been checked. Called on a loop; must not block.
    public var plainRequest: @Sendable (HTTPRequestHead) -> HTTPResponse = { _ in
        HTTPResponse(HTTPRefusal(.upgradeRequired, "This address speaks WebSocket."), adding: ["Upgrade": "websocket"])
    }
    private let connected: @Sendable (WebSocketTransport) -> any TransportReceiver

    /// An acceptor.
    ///
    /// - Parameters:
    ///   - policy: by default programs of this machine that speak this library's protocol.
    ///   - connected: says who hears of a new connection. Called on its loop, before anything is received.
    public init(
        policy: ServerHandshake.Policy = .init(subprotocols: [ProtocolVersion.subprotocol], requiresSubprotocol: true),
        connected: @escaping @Sendable (WebSocketTransport) -> any TransportReceiver
    ) {
        self.policy = policy
        self.connected = connected
    }

    /// What a listener gives an accepted stream.
    public func handler(for stream: TCPStream) -> any StreamHandler {
        let connection = IncomingConnection(stream, self)
        connection.startTimer()
        return connection
    }

    fileprivate func receiver(of transport: WebSocketTransport) -> any TransportReceiver { connected(transport) }
}

/// What a connection speaks, told by its first byte; it never changes its mind.
private enum SpokenProtocol {
    case http
    case unknown

    init(firstByte: UInt8) {
        self = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(firstByte) ? .http : .unknown
    }
}

/// An accepted connection: a request that is being read, then a WebSocket.
private final class IncomingConnection: StreamHandler {
    private enum Phase {
        case new
        case request(HTTPRequestParser)
        /// Everything has been said: what still comes is thrown away, until the client ends its side or time is up.
        case ending
    }

    private let stream: TCPStream
    private let acceptor: WebSocketAcceptor
    private let connectedAt: UInt64
    private let timer = Mutex<Timer?>(nil)
    /// Decides between an answer and the deadline, which comes on another way than the stream's callbacks.
    private let isAnswered = Atomic<Bool>(false)
    // The following are touched only in callbacks of the stream, which come one at a time.
    nonisolated(unsafe) private var phase = Phase.new
    nonisolated(unsafe) private var transport: WebSocketTransport?

    init(_ stream: TCPStream, _ acceptor: WebSocketAcceptor) {
        self.stream = stream
        self.acceptor = acceptor
        connectedAt = stream.loop.now
    }

    func startTimer() {
        setTimer(after: acceptor.timeout) { connection in
            guard !connection.isAnswered.exchange(true, ordering: .relaxed) else { return }
            connection.send(HTTPResponse(HTTPRefusal(.requestTimeout, "The request did not arrive in time.")).bytes)
            connection.stream.close()
        }
    }

    private func setTimer(after nanoseconds: UInt64, _ work: @escaping @Sendable (IncomingConnection) -> Void) {
        let new = stream.loop.schedule(after: Int64(nanoseconds)) { [weak self] in self.map(work) }
        timer.withLock { timer in
            defer { timer = new }
            return timer
        }?.cancel()
    }

    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        if let transport { return transport.received(bytes) }
        if case .new = phase, let first = bytes.first {
            guard case .http = SpokenProtocol(firstByte: first) else {
                phase = .ending
                return stream.close()
            }
            phase = .request(HTTPRequestParser())
        }
        guard case .request(var parser) = phase else { return }
        phase = .ending
        do throws(HTTPRefusal) {
            if let (head, size) = try parser.receive(UnsafeRawBufferPointer(bytes)) {
                answer(head, rest: UnsafeMutableRawBufferPointer(rebasing: bytes[size...]))
            } else {
                phase = .request(parser)
            }
        } catch {
            end(with: HTTPResponse(error))
        }
    }

    private func answer(_ head: HTTPRequestHead, rest: UnsafeMutableRawBufferPointer) {
        guard ServerHandshake.isRequested(by: head) else {
            do throws(HTTPRefusal) {
                try ServerHandshake.checkSender(of: head, policy: acceptor.policy)
                return end(with: acceptor.plainRequest(head))
            } catch {
                return end(with: HTTPResponse(error))
            }
        }
        switch ServerHandshake.answer(head, policy: acceptor.policy) {
        case .refused(let response): end(with: response)
        case .accepted(let response, let subprotocol):
            guard !isAnswered.exchange(true, ordering: .relaxed) else { return }
            timer.withLock { $0.take() }?.cancel()
            guard send(response) else { return stream.close() }
            let transport = WebSocketTransport(
                stream, connectedAt: connectedAt, role: .server, subprotocol: subprotocol,
                maximumMessageSize: acceptor.maximumMessageSize)
            transport.start(acceptor.receiver(of: transport))
            self.transport = transport
            if !rest.isEmpty { transport.received(rest) }
        }
    }

    /// Sends a last response. The connection is not closed at once: with bytes unread that would reset it, and lose the response.
    private func end(with response: HTTPResponse) {
        guard !isAnswered.exchange(true, ordering: .relaxed) else { return }
        send(response.bytes)
        stream.shutdownWrite()
        setTimer(after: 1_000_000_000) { $0.stream.close() }
    }

    /// Sends bytes that are few enough for the buffer of a connection on which nothing was sent before.
    @discardableResult
    private func send(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { stream.write($0) } == bytes.count
    }

    func writable() { transport?.writable() }

    func closed(_ reason: StreamEnd) {
        timer.withLock { $0.take() }?.cancel()
        transport?.closed(reason)
        transport = nil
    }
}
