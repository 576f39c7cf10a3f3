import Glibc
import Reactor
import Synchronization
import TelekinesisLink
import WebSocket

/// The peers that the Autobahn cases and other implementations are run against:
///
///     AutobahnPeer server [PORT]      echoes messages; prints its address
///     AutobahnPeer client URL [AGENT] asks a fuzzing server for its cases and echoes in each
@main
struct Main {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let group = try EventLoopGroup(loops: 1)
        switch (arguments.first, arguments.dropFirst().first) {
        case ("server", let port): try await serve(port: port.flatMap { UInt16($0) } ?? 0, group)
        case ("client", let url?): try await Client(url, agent: arguments.dropFirst(2).first ?? "telekinesis", group.next()).run()
        default: print("usage: AutobahnPeer server [PORT] | client URL [AGENT]")
        }
    }

    static func serve(port: UInt16, _ group: EventLoopGroup) async throws {
        var acceptor = WebSocketAcceptor(policy: .init()) { Echo($0) }
        acceptor.maximumMessageSize = 32 << 20
        let listener = try await TCPListener.listen(host: "127.0.0.1", port: port, group: group) { [acceptor] in acceptor.handler(for: $0) }
        print("listening on ws://127.0.0.1:\(listener.port)")
        fflush(nil)
        let (signals, ended) = AsyncStream.makeStream(of: Signal.self)
        let source = try SignalSource([.terminate, .interrupt], on: group.loops[0]) { ended.yield($0) }
        for await _ in signals { break }
        source.cancel()
        listener.close()
    }
}

/// The client's side: a server says how many cases there are, and each is a connection of its own.
struct Client {
    let url: String
    let agent: String
    let loop: EventLoop
    let dialer: WebSocketDialer

    init(_ url: String, agent: String, _ loop: EventLoop) {
        self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.agent = agent
        self.loop = loop
        var dialer = WebSocketDialer()
        dialer.subprotocols = []
        dialer.maximumMessageSize = 32 << 20
        self.dialer = dialer
    }

    func run() async throws {
        let answer = try await dialer.dial(try WebSocketURL(url + "/getCaseCount"), on: loop) { Words($0) }
        _ = await answer.echo.end
        let count = Int(answer.text) ?? 0
        for number in 1...max(count, 1) where count > 0 {
            do {
                let echo = try await dialer.dial(try WebSocketURL("\(url)/runCase?case=\(number)&agent=\(agent)"), on: loop) { Echo($0) }
                _ = await echo.end
            } catch {
                print("case \(number): \(error)")
            }
        }
        let last = try await dialer.dial(try WebSocketURL("\(url)/updateReports?agent=\(agent)"), on: loop) { Echo($0) }
        _ = await last.end
        print("\(count) cases")
    }
}

/// Remembers the last text, and answers nothing.
final class Words: TransportReceiver {
    let echo: Echo
    private let last = Mutex("")

    init(_ transport: WebSocketTransport) { echo = Echo(transport) }

    var text: String { last.withLock { $0 } }

    func received(_ message: UnsafeRawBufferPointer) {}

    func received(text: UnsafeRawBufferPointer) {
        let string = String(decoding: text, as: UTF8.self)
        last.withLock { $0 = string }
    }

    func writable() {}

    func closed(_ end: TransportEnd) { echo.closed(end) }
}
