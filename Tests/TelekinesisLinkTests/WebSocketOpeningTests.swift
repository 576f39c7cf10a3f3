import HTTP
import Reactor
import TelekinesisLink
import TelekinesisProtocol
import Testing
import WebSocket

/// What happens before the first message, at both ends.
@Suite(.timeLimit(.minutes(1))) struct WebSocketOpeningTests {
    let group: EventLoopGroup

    init() throws { group = try EventLoopGroup(loops: 1) }

    /// The first line of what a server answers to `request`, after which it ends the connection.
    func answer(to request: String, _ change: (inout WebSocketAcceptor) -> Void = { _ in }) async throws -> String {
        let server = try await Server(group, change: change)
        let raw = try await server.connect()
        raw.send(request)
        let answer = String(decoding: await raw.rest(), as: UTF8.self)
        return String(answer.prefix { $0 != "\r\n" })
    }

    @Test func webPagesAndForeignNamesAreRefused() async throws {
        #expect(try await answer(to: upgrade("Origin: http://evil.example")) == "HTTP/1.1 403 Forbidden")
        #expect(try await answer(to: upgrade("Host: evil.example")) == "HTTP/1.1 421 Misdirected Request")
        #expect(try await answer(to: "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n") == "HTTP/1.1 421 Misdirected Request")
    }

    @Test func faultyRequestsAreRefused() async throws {
        #expect(try await answer(to: upgrade("Sec-WebSocket-Version: 7")) == "HTTP/1.1 426 Upgrade Required")
        #expect(try await answer(to: upgrade("Sec-WebSocket-Protocol: other")) == "HTTP/1.1 400 Bad Request")
        #expect(try await answer(to: "GET / HTTP/1.1\nHost: h\n\n") == "HTTP/1.1 400 Bad Request")
        #expect(try await answer(to: "GET /" + String(repeating: "a", count: 1 << 20)) == "HTTP/1.1 414 URI Too Long")
        #expect(try await answer(to: "GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 100_000)).hasPrefix("HTTP/1.1 431"))
    }

    @Test func plainRequestsAreAnsweredByWhoeverIsThere() async throws {
        let request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        #expect(try await answer(to: request) == "HTTP/1.1 426 Upgrade Required")
        #expect(
            try await answer(to: request) { $0.plainRequest = { HTTPResponse($0.target == "/health" ? .ok : .notFound) } }
                == "HTTP/1.1 200 OK")
    }

    @Test(arguments: ["\u{16}\u{3}\u{1}", "*1\r\n", "get / HTTP/1.1\r\n", "\0", " "])
    func otherProtocolsAreClosedWithoutAWord(bytes: String) async throws {
        #expect(try await answer(to: bytes) == "")
    }

    @Test func silentAndSlowClientsAreGivenUp() async throws {
        #expect(try await answer(to: "") { $0.timeout = 20_000_000 } == "HTTP/1.1 408 Request Timeout")
        #expect(try await answer(to: "GET / HTT") { $0.timeout = 20_000_000 } == "HTTP/1.1 408 Request Timeout")
    }

    @Test func requestThatComesByteByByteIsServed() async throws {
        let server = try await Server(group)
        let raw = try await server.connect()
        for byte in upgrade().utf8 { raw.send([byte]) }
        #expect(String(decoding: await raw.next(), as: UTF8.self).hasPrefix("HTTP/1.1 101"))
        #expect(await server.accept() != nil)
        raw.close()
    }

    @Test func framesBehindTheRequestAreHeard() async throws {
        let server = try await Server(group)
        let raw = try await server.connect()
        raw.send(Array(upgrade().utf8) + WebSocketEncoder.frame(.binary, [9], maskKey: 7))
        #expect(await server.accept()?.next() == .binary([9]))
        raw.close()
    }

    // MARK: Dialling

    func failure(of dial: () async throws -> Ear) async -> TelekinesisError? {
        do {
            _ = try await dial()
            return nil
        } catch {
            return error as? TelekinesisError
        }
    }

    @Test func refusalOfTheServerIsPassedOn() async throws {
        let server = try await Server(group)
        let error = await failure { try await server.dial { $0.subprotocols = ["other"] } }
        #expect(error?.code == .unreachable && error?.message.contains("400") == true)
    }

    @Test func absentServerIsUnreachable() async throws {
        let server = try await Server(group)
        server.listener.close()
        let error = await failure { try await server.dial() }
        #expect(error?.code == .unreachable)
    }

    @Test func serverThatIsSilentIsGivenUp() async throws {
        let listener = try await TCPListener.listen(host: "127.0.0.1", port: 0, group: group) { _ in Raw() }
        var dialer = WebSocketDialer()
        dialer.timeout = 30_000_000
        let url = try WebSocketURL("ws://127.0.0.1:\(listener.port)")
        let error = await failure { [dialer] in try await dialer.dial(url, on: group.next()) { Ear($0) } }
        #expect(error?.code == .unreachable && error?.message.contains("in time") == true)
    }

    @Test func cancelledDiallingEnds() async throws {
        let (opened, input) = AsyncStream.makeStream(of: Void.self)
        let listener = try await TCPListener.listen(host: "127.0.0.1", port: 0, group: group) { _ in
            input.yield()
            return Raw()
        }
        let url = try WebSocketURL("ws://127.0.0.1:\(listener.port)")
        let loop = group.next()
        let task = Task { await failure { try await WebSocketDialer().dial(url, on: loop) { Ear($0) } } }
        for await _ in opened { break }
        task.cancel()
        #expect(await task.value?.code == .cancelled)
    }

    @Test func otherProtocolAtTheOtherEndIsNamed() async throws {
        let listener = try await TCPListener.listen(host: "127.0.0.1", port: 0, group: group) { stream in
            _ = Array("220 mail.example\r\n".utf8).withUnsafeBytes { stream.write($0) }
            return Raw()
        }
        let url = try WebSocketURL("ws://127.0.0.1:\(listener.port)")
        let error = await failure { try await WebSocketDialer().dial(url, on: group.next()) { Ear($0) } }
        #expect(error?.code == .unreachable && error?.message.contains("HTTP") == true)
    }

    // MARK: Proxies

    func dial(through proxy: Server, user: String) async throws -> Ear {
        var dialer = WebSocketDialer()
        dialer.proxies = ProxySettings(environment: ["https_proxy": "http://\(user)@127.0.0.1:\(proxy.listener.port)"])
        return try await dialer.dial(try WebSocketURL("ws://hub.test:3388/x"), on: group.next()) { Ear($0) }
    }

    @Test func tunnelLeadsThroughAProxy() async throws {
        let proxy = try await Server(group, echoes: true, proxy: true) { $0.policy.host = .loopback(alsoAllowed: ["hub.test"]) }
        let client = try await dial(through: proxy, user: "u:p")
        client.send([1, 2])
        #expect(await client.next() == .binary([1, 2]))
        client.transport.close(code: 1000, reason: "")
        #expect(await client.next() == .closed(1000))
    }

    @Test func proxyThatWantsAPasswordSaysSo() async throws {
        let proxy = try await Server(group, proxy: true)
        let error = await failure { try await dial(through: proxy, user: "u:wrong") }
        #expect(error?.message.contains("user and password") == true)
    }
}
