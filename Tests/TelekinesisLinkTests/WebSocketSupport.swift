import HTTP
import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import WebSocket

/// Notes what comes, and lets a test wait for it.
final class Ear: TransportReceiver {
    enum Event: Equatable, Sendable {
        case binary([UInt8])
        case text(String)
        case writable
        case closed(UInt16)
    }

    let transport: WebSocketTransport
    private let events: AsyncStream<Event>
    private let input: AsyncStream<Event>.Continuation
    private let echoes: Bool

    init(_ transport: WebSocketTransport, echoes: Bool = false) {
        self.transport = transport
        self.echoes = echoes
        (events, input) = AsyncStream.makeStream()
    }

    /// The next thing that comes; one caller at a time.
    func next() async -> Event? {
        for await event in events { return event }
        return nil
    }

    /// Sends `bytes`; false if a rest was kept.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        let headroom = TransportLimits.headroom
        return transport.send([OutgoingMessage(bytes: [UInt8](repeating: 0, count: headroom) + bytes, start: headroom)]) != nil
    }

    func received(_ message: UnsafeRawBufferPointer) {
        if echoes { send(Array(message)) }
        input.yield(.binary(Array(message)))
    }

    func received(text: UnsafeRawBufferPointer) { input.yield(.text(String(decoding: text, as: UTF8.self))) }

    func writable() { input.yield(.writable) }

    func closed(_ end: TransportEnd) {
        input.yield(.closed(end.code))
        input.finish()
    }
}

/// A server on loopback, and what it accepted.
final class Server: Sendable {
    let listener: TCPListener
    let group: EventLoopGroup
    private let accepted: AsyncStream<Ear>

    init(_ group: EventLoopGroup, echoes: Bool = false, proxy: Bool = false, change: (inout WebSocketAcceptor) -> Void = { _ in })
        async throws
    {
        self.group = group
        let (accepted, input) = AsyncStream.makeStream(of: Ear.self)
        self.accepted = accepted
        var acceptor = WebSocketAcceptor { transport in
            let ear = Ear(transport, echoes: echoes)
            input.yield(ear)
            return ear
        }
        change(&acceptor)
        let ready = acceptor
        listener = try await TCPListener.listen(host: "127.0.0.1", port: 0, group: group) { stream in
            proxy ? Proxy(stream, ready.handler(for: stream)) : ready.handler(for: stream)
        }
    }

    var url: WebSocketURL { get throws { try WebSocketURL("ws://127.0.0.1:\(listener.port)/") } }

    /// The receiver of the next connection.
    func accept() async -> Ear? {
        for await ear in accepted { return ear }
        return nil
    }

    func dial(_ change: (inout WebSocketDialer) -> Void = { _ in }) async throws -> Ear {
        var dialer = WebSocketDialer()
        change(&dialer)
        return try await dialer.dial(try url, on: group.next()) { Ear($0) }
    }

    /// A connection whose bytes the test writes itself.
    func connect() async throws -> Raw {
        let raw = Raw()
        _ = try await TCPStream.dial(host: "127.0.0.1", port: listener.port, on: group.next()) { stream in
            raw.open(stream)
            return raw
        }
        return raw
    }
}

/// A TCP connection without any protocol.
final class Raw: StreamHandler {
    private let stream = Mutex<TCPStream?>(nil)
    private let bytes: AsyncStream<[UInt8]>
    private let input: AsyncStream<[UInt8]>.Continuation

    init() { (bytes, input) = AsyncStream.makeStream() }

    func open(_ stream: TCPStream) { self.stream.withLock { $0 = stream } }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        guard let stream = stream.withLock({ $0 }) else { return }
        _ = bytes.withUnsafeBytes { stream.write($0) }
    }

    func close() { stream.withLock { $0 }?.close() }

    /// Everything that comes until the server ends the connection.
    func rest() async -> [UInt8] {
        var all: [UInt8] = []
        for await piece in bytes { all += piece }
        return all
    }

    /// What comes next.
    func next() async -> [UInt8] {
        for await piece in bytes { return piece }
        return []
    }

    func received(_ bytes: UnsafeMutableRawBufferPointer) { input.yield(Array(bytes)) }

    func writable() {}

    func closed(_ reason: StreamEnd) { input.finish() }
}

/// Makes a tunnel that leads to a server in its own place.
final class Proxy: StreamHandler {
    private let stream: TCPStream
    private let server: any StreamHandler
    // Touched only in callbacks of the stream.
    nonisolated(unsafe) private var parser: HTTPRequestParser? = HTTPRequestParser()

    init(_ stream: TCPStream, _ server: any StreamHandler) {
        self.stream = stream
        self.server = server
    }

    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard var parser else { return server.received(bytes) }
        self.parser = nil
        guard let answer = try? parser.receive(UnsafeRawBufferPointer(bytes)) else {
            self.parser = parser
            return
        }
        let isAdmitted = answer.head.headers["Proxy-Authorization"] == "Basic dTpw" && answer.head.method == "CONNECT"
        let lines =
            isAdmitted
            ? ["HTTP/1.1 200 Connection established", "X-To: \(answer.head.target)"] : ["HTTP/1.1 407 Proxy Authentication Required"]
        _ = httpHead(lines).withUnsafeBytes { stream.write($0) }
    }

    func writable() { server.writable() }

    func closed(_ reason: StreamEnd) { server.closed(reason) }
}
