import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing
import WebSocket

/// One time limit holds for all that is said before a session is open: the WebSocket's handshake takes its share of it.
@Suite(.timeLimit(.minutes(1))) struct HandshakeTimeTests {
    @Test func aClientThatTookItsTimeToAskHasLessForTheSession() async throws {
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 1, clock: .virtual(clock))
        defer { group.shutdown() }
        let (links, input) = AsyncStream.makeStream(of: Link.self)
        let acceptor = WebSocketAcceptor { transport in
            let link = Link(transport, receiver: EndOfLink())
            input.yield(link)
            return link
        }
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        let listener = try await TCPListener.listen(host: "127.0.0.1", port: 0, group: group) { stream in
            arrived.yield()
            return acceptor.handler(for: stream)
        }
        defer { listener.close() }
        let clients = try EventLoopGroup(loops: 1)
        defer { clients.shutdown() }
        let raw = Raw()
        _ = try await TCPStream.dial(host: "127.0.0.1", port: listener.port, on: clients.next()) { stream in
            raw.open(stream)
            return raw
        }
        for await _ in arrivals { break }
        await clock.advance(by: 4_000_000_000)
        raw.send(upgrade())
        #expect(String(decoding: await raw.next(), as: UTF8.self).hasPrefix("HTTP/1.1 101"))
        var iterator = links.makeAsyncIterator()
        let link = try #require(await iterator.next())
        await clock.advance(by: 999_000_000)
        #expect(link.send(FrameWriter.frame(.ping)) == .queued)
        await clock.advance(by: 1_000_000)
        #expect(link.send(FrameWriter.frame(.ping)) == .closed)
        raw.close()
    }

    @Test func aServerThatTookItsTimeToAnswerHasLessForTheSession() async throws {
        let server = try SlowServer()
        defer { server.stop() }
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 1, clock: .virtual(clock))
        defer { group.shutdown() }
        let loop = group.next()
        let end = EndOfLink()
        let url = try await server.listen()
        let dial = Task(executorPreference: loop) { try await WebSocketDialer().dial(url, on: loop) { Link($0, receiver: end) } }
        await server.asked()
        await clock.advance(by: 4_000_000_000)
        server.answer()
        let link = try await dial.value
        await clock.advance(by: 999_000_000)
        #expect(link.send(FrameWriter.frame(.ping)) == .queued)
        await clock.advance(by: 1_000_000)
        #expect(link.send(FrameWriter.frame(.ping)) == .closed)
        // What ends it is a goodbye, which the other side is given time to hear.
        await clock.advance(by: 2_000_000_000)
        #expect(await end.reason.code == .unauthenticated)
    }

    @Test func aServerThatDoesNotAnswerIsGivenUpWhenTheHandshakesTimeIsOver() async throws {
        let server = try SlowServer()
        defer { server.stop() }
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 1, clock: .virtual(clock))
        defer { group.shutdown() }
        let loop = group.next()
        let url = try await server.listen()
        let dial = Task(executorPreference: loop) { try await WebSocketDialer().dial(url, on: loop) { Link($0, receiver: EndOfLink()) } }
        await server.asked()
        await clock.advance(by: 5_000_000_000)
        let error = await #expect(throws: TelekinesisError.self) { _ = try await dial.value }
        #expect(error?.code == .unreachable && error?.message.contains("in time") == true)
    }
}

/// Hears the end of a link.
private final class EndOfLink: FrameReceiver {
    private let ends: AsyncStream<TelekinesisError>
    private let input: AsyncStream<TelekinesisError>.Continuation

    init() { (ends, input) = AsyncStream.makeStream() }

    /// Why it ended.
    var reason: TelekinesisError {
        get async {
            for await end in ends { return end }
            return TelekinesisError(.cancelled, "the test was given up")
        }
    }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {}

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) { input.yield(reason) }
}

/// A server that reads a request and does not answer before it is told to.
private final class SlowServer: Sendable {
    private final class Connection: StreamHandler {
        private let handler: any StreamHandler
        private let server: SlowServer

        init(_ handler: any StreamHandler, _ server: SlowServer) {
            self.handler = handler
            self.server = server
        }

        func received(_ bytes: UnsafeMutableRawBufferPointer) {
            let copy = Array(bytes)
            server.release.withLock { release in
                release = { [handler] in
                    var copy = copy
                    copy.withUnsafeMutableBytes { handler.received($0) }
                }
            }
            server.input.yield()
        }

        func writable() { handler.writable() }
        func closed(_ reason: StreamEnd) { handler.closed(reason) }
    }

    private let group: EventLoopGroup
    private let listener = Mutex<TCPListener?>(nil)
    private let release = Mutex<(@Sendable () -> Void)?>(nil)
    private let requests: AsyncStream<Void>
    private let input: AsyncStream<Void>.Continuation

    init() throws {
        group = try EventLoopGroup(loops: 1)
        (requests, input) = AsyncStream.makeStream()
    }

    func listen() async throws -> WebSocketURL {
        let acceptor = WebSocketAcceptor { Ear($0) }
        let listener = try await TCPListener.listen(host: "127.0.0.1", port: 0, group: group) { stream in
            Connection(acceptor.handler(for: stream), self)
        }
        self.listener.withLock { $0 = listener }
        return try WebSocketURL("ws://127.0.0.1:\(listener.port)/")
    }

    /// Waits for a request.
    func asked() async {
        for await _ in requests { return }
    }

    /// Lets it be answered.
    func answer() {
        guard let release = release.withLock({ $0.take() }) else { return }
        group.loops[0].execute(release)
    }

    func stop() {
        listener.withLock { $0.take() }?.close()
        release.withLock { $0 = nil }
        group.shutdown()
    }
}
