internal import HTTP
internal import Reactor
internal import Synchronization
internal import TelekinesisProtocol
internal import WebSocket

/// A connection that is dialled: a tunnel through a proxy if need be, then the opening handshake, then a WebSocket.
final class OutgoingConnection<Receiver: TransportReceiver>: StreamHandler {
    typealias Outcome = Result<Receiver, TelekinesisError>

    private enum Phase {
        case tunnel(HTTPResponseParser)
        case handshake(ClientHandshake, HTTPResponseParser)
        case failed
    }

    private struct Waiting {
        var outcome: Outcome?
        var caller: CheckedContinuation<Outcome, Never>?
        var stream: TCPStream?
    }

    private let url: WebSocketURL
    private let proxy: ProxySettings.Proxy?
    private let settings: WebSocketDialer
    private let receiver: @Sendable (WebSocketTransport) -> Receiver
    private let waiting = Mutex(Waiting())
    // The following are touched only in callbacks of the stream, which come one at a time.
    nonisolated(unsafe) private var phase = Phase.failed
    nonisolated(unsafe) private var connectedAt: UInt64 = 0
    nonisolated(unsafe) private var transport: WebSocketTransport?

    init(
        to url: WebSocketURL, through proxy: ProxySettings.Proxy?, settings: WebSocketDialer,
        receiver: @escaping @Sendable (WebSocketTransport) -> Receiver
    ) {
        self.url = url
        self.proxy = proxy
        self.settings = settings
        self.receiver = receiver
    }

    // MARK: What the dialer waits for

    /// The receiver of the open WebSocket, or why there is none.
    func outcome() async throws(TelekinesisError) -> Receiver {
        let url = url
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { caller in
                let early = waiting.withLock { waiting in
                    if waiting.outcome == nil { waiting.caller = caller }
                    return waiting.outcome
                }
                if let early { caller.resume(returning: early) }
            }
        } onCancel: {
            fail(TelekinesisError(.cancelled, "the connection to \(url) was cancelled"))
        }
        return try outcome.get()
    }

    /// Gives up, unless the WebSocket is open.
    func fail(_ error: TelekinesisError) {
        if settle(.failure(error)) { waiting.withLock { $0.stream }?.close() }
    }

    /// False if it was decided before.
    private func settle(_ outcome: Outcome) -> Bool {
        let (isFirst, caller) = waiting.withLock { waiting in
            guard waiting.outcome == nil else { return (false, nil as CheckedContinuation<Outcome, Never>?) }
            waiting.outcome = outcome
            return (true, waiting.caller.take())
        }
        caller?.resume(returning: outcome)
        return isFirst
    }

    // MARK: Asking

    /// Sends the first request on a stream that is connected.
    func begin(_ stream: TCPStream) {
        connectedAt = stream.loop.now
        waiting.withLock { $0.stream = stream }
        guard let proxy else { return beginHandshake(stream) }
        phase = .tunnel(HTTPResponseParser())
        var lines = ["CONNECT \(url.authority) HTTP/1.1", "Host: \(url.authority)"]
        if let authorization = proxy.authorization { lines.append("Proxy-Authorization: \(authorization)") }
        send(httpHead(lines), on: stream)
    }

    private func beginHandshake(_ stream: TCPStream) {
        let handshake = ClientHandshake(
            authority: url.authority, target: url.target, subprotocols: settings.subprotocols, nonce: MaskKeys.nonce())
        phase = .handshake(handshake, HTTPResponseParser())
        send(handshake.request, on: stream)
    }

    /// Sends bytes that are few enough for the buffer of a connection on which nothing waits.
    private func send(_ bytes: [UInt8], on stream: TCPStream) {
        if bytes.withUnsafeBytes({ stream.write($0) }) < bytes.count { refuse("the connection takes no request") }
    }

    // MARK: The answers

    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        if let transport { return transport.received(bytes) }
        guard let stream = waiting.withLock({ $0.stream }) else { return }
        let current = phase
        phase = .failed
        do throws(HTTPRefusal) {
            switch current {
            case .failed: return
            case .tunnel(var parser):
                guard let (head, size) = try parser.receive(UnsafeRawBufferPointer(bytes)) else {
                    phase = .tunnel(parser)
                    return
                }
                tunnelAnswered(head, hasMore: size < bytes.count, stream)
            case .handshake(let handshake, var parser):
                guard let (head, size) = try parser.receive(UnsafeRawBufferPointer(bytes)) else {
                    phase = .handshake(handshake, parser)
                    return
                }
                handshakeAnswered(head, handshake, rest: UnsafeMutableRawBufferPointer(rebasing: bytes[size...]), stream)
            }
        } catch {
            refuse("what answers there does not speak HTTP. \(error.reason)")
        }
    }

    private func tunnelAnswered(_ head: HTTPResponseHead, hasMore: Bool, _ stream: TCPStream) {
        switch head.status.code {
        case 200..<300 where !hasMore: beginHandshake(stream)
        case 200..<300: refuse("something spoke through the proxy before it was asked")
        case 407: refuse("the proxy wants a user and password: put them into the proxy's URL, http://user:password@host:port")
        default: refuse("the proxy does not let this through: \(head.status.code) \(head.status.phrase)")
        }
    }

    private func handshakeAnswered(
        _ head: HTTPResponseHead, _ handshake: ClientHandshake, rest: UnsafeMutableRawBufferPointer, _ stream: TCPStream
    ) {
        let subprotocol: String?
        do {
            subprotocol = try handshake.check(head)
        } catch {
            return refuse(error.reason)
        }
        let transport = WebSocketTransport(
            stream, connectedAt: connectedAt, role: .client, subprotocol: subprotocol, maximumMessageSize: settings.maximumMessageSize)
        let receiver = receiver(transport)
        transport.start(receiver)
        self.transport = transport
        // Given up in this very moment: the receiver exists, and is to hear the end.
        if !settle(.success(receiver)) { return stream.close() }
        waiting.withLock { $0.stream = nil }
        if !rest.isEmpty { transport.received(rest) }
    }

    private func refuse(_ reason: String) {
        fail(TelekinesisError(.unreachable, "\(url): \(reason.sentence)"))
    }

    func writable() { transport?.writable() }

    func closed(_ reason: StreamEnd) {
        if let transport {
            transport.closed(reason)
            self.transport = nil
        } else {
            let detail = if case .failed(let error) = reason { ": \(error)" } else { "" }
            refuse("the connection was closed before the WebSocket was open\(detail)")
        }
        waiting.withLock { $0.stream = nil }
    }
}
