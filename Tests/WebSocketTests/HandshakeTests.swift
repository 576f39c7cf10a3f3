import HTTP
import Testing

@testable import WebSocket

@Suite struct HandshakeTests {
    /// The example of RFC 6455 §1.3.
    static let usual = [
        "Host": "localhost:3388", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13",
    ]

    func answer(
        _ changes: [(String, String?)] = [], first: String = "GET / HTTP/1.1", policy: ServerHandshake.Policy = ServerHandshake.Policy()
    ) throws -> ServerHandshake.Answer {
        var fields = Self.usual
        var more: [String] = []
        for (name, value) in changes {
            if fields.keys.contains(name) { fields[name] = value } else if let value { more.append("\(name): \(value)") }
        }
        let lines = [first] + fields.map { "\($0): \($1)" } + more
        return ServerHandshake.answer(try head(httpHead(lines)), policy: policy)
    }

    func head<Head: HTTPHead>(_ bytes: [UInt8], as: Head.Type = HTTPRequestHead.self) throws -> Head {
        var parser = HTTPHeadParser<Head>()
        return try #require(try bytes.withUnsafeBytes { try parser.receive($0) }).head
    }

    func status(_ answer: ServerHandshake.Answer) -> Int {
        switch answer {
        case .accepted: 101
        case .refused(let response): response.status.code
        }
    }

    @Test func exampleOfTheStandardIsAccepted() throws {
        guard case .accepted(let bytes, let subprotocol) = try answer() else {
            Issue.record("refused")
            return
        }
        let response = try head(bytes, as: HTTPResponseHead.self)
        #expect(response.status.code == 101 && response.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        #expect(subprotocol == nil && response.headers["Sec-WebSocket-Protocol"] == nil)
    }

    @Test(
        arguments: [
            ("Sec-WebSocket-Key", nil, 400), ("Sec-WebSocket-Key", "", 400), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ", 400),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=*", 400), ("Sec-WebSocket-Version", nil, 426),
            ("Sec-WebSocket-Version", "8", 426),
            ("Sec-WebSocket-Version", "13, 8", 426), ("Upgrade", nil, 426), ("Upgrade", "h2c", 426), ("Connection", nil, 426),
            ("Connection", "keep-alive", 426), ("Content-Length", "1", 400), ("Transfer-Encoding", "chunked", 400),
            ("Host", "evil.example", 421), ("Host", "localhost.evil.example", 421), ("Host", "127.0.0.1.evil.example", 421),
            ("Origin", "http://evil.example", 403), ("Origin", "http://localhost:3388", 403), ("Origin", "null", 403),
            ("SEC-WEBSOCKET-KEY", "dGhlIHNhbXBsZSBub25jZQ==", 400),
        ] as [(String, String?, Int)])
    func faultyRequestIsRefused(name: String, value: String?, status: Int) throws {
        #expect(self.status(try answer([(name, value)])) == status)
    }

    @Test func otherMethodsAndVersionsAreRefused() throws {
        #expect(status(try answer(first: "POST / HTTP/1.1")) == 400)
        #expect(status(try answer(first: "GET / HTTP/1.0")) == 400)
    }

    @Test func refusalOfTheVersionNamesTheRightOne() throws {
        guard case .refused(let response) = try answer([("Sec-WebSocket-Version", "8")]) else {
            Issue.record("accepted")
            return
        }
        #expect(response.headers["Sec-WebSocket-Version"] == "13")
    }

    @Test func firstOfferThatIsSpokenIsChosen() throws {
        let policy = ServerHandshake.Policy(subprotocols: ["one", "two"], requiresSubprotocol: true)
        func chosen(_ offers: String...) throws -> String? {
            let answer = try answer(offers.map { ("Sec-WebSocket-Protocol", $0) }, policy: policy)
            guard case .accepted(_, let subprotocol) = answer else { return nil }
            return subprotocol
        }
        #expect(try chosen("three, two", "one") == "two")
        #expect(try chosen("ONE") == nil)
        #expect(try chosen() == nil)
        let thousand = (0..<1000).map { "p\($0)" }.joined(separator: ",")
        #expect(try chosen(thousand, "one") == nil)
        #expect(try chosen("one", thousand) == "one")
    }

    @Test func originsAreAdmittedByName() {
        let policy = OriginPolicy(allowed: ["https://Console.example:8443"])
        #expect(policy.admits(origins: ["https://console.example:8443"], host: nil))
        #expect(policy.admits(origins: [], host: nil))
        #expect(!policy.admits(origins: ["https://console.example"], host: nil))
        #expect(!policy.admits(origins: ["https://console.example:8443", "http://evil.example"], host: nil))
        let sameHost = OriginPolicy(allowsSameHost: true)
        #expect(sameHost.admits(origins: ["http://localhost:3388"], host: "localhost:3388"))
        #expect(!sameHost.admits(origins: ["http://localhost:8000"], host: "localhost:3388"))
    }

    @Test(
        arguments: [
            ("localhost", true), ("LOCALHOST:1", true), ("127.0.0.1:80", true), ("127.9.9.9", true), ("[::1]:3388", true), ("[::1]", true),
            ("hub.example", true), ("hub.example:443", true), (nil, false), ("", false), ("128.0.0.1", false), ("127.0.0.1.nip.io", false),
            ("127.0.0", false), ("127.0.0.256", false), ("127.0.0.01", false), ("[::2]", false), ("[::1", false), ("[::1]x", false),
            ("localhost:80:80", false), ("localhost@evil", false), ("::1", false), ("localhost.", false), ("127.0.0.+1", false),
        ] as [(String?, Bool)])
    func loopbackServerAnswersToNamesOfLoopback(host: String?, admitted: Bool) {
        #expect(HostPolicy.loopback(alsoAllowed: ["Hub.example"]).admits(host) == admitted)
        #expect(HostPolicy.any.admits(host))
    }

    @Test func clientAndServerAgree() throws {
        let client = ClientHandshake(authority: "[::1]:9", target: "/a?b=c", subprotocols: ["x", "tk"], nonce: Array(0..<16))
        let request = try head(client.request)
        #expect(request.target == "/a?b=c")
        let policy = ServerHandshake.Policy(subprotocols: ["tk"])
        guard case .accepted(let response, "tk") = ServerHandshake.answer(request, policy: policy) else {
            Issue.record("refused")
            return
        }
        #expect(try client.check(try head(response, as: HTTPResponseHead.self)) == "tk")
        let other = ClientHandshake(authority: "h", nonce: Array(1..<17))
        #expect(throws: ClientHandshake.Failure.self) { try other.check(try head(response, as: HTTPResponseHead.self)) }
    }

    @Test(
        arguments: [
            ("HTTP/1.1 101 Fine", nil), ("HTTP/1.1 200 OK", ""), ("HTTP/1.1 101 Fine", "Upgrade: h2c"),
            ("HTTP/1.1 101 Fine", "Connection: close"),
            ("HTTP/1.1 101 Fine", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo"),
            ("HTTP/1.1 101 Fine", "Sec-WebSocket-Protocol: other"),
            ("HTTP/1.1 101 Fine", "Sec-WebSocket-Extensions: permessage-deflate"),
        ] as [(String, String?)])
    func clientRefusesFaultyAnswers(first: String, fault: String?) throws {
        let good = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
        let name = fault?.prefix { $0 != ":" } ?? "none"
        let lines = [first] + good.filter { !$0.hasPrefix(name + ":") } + (fault.map { [$0] } ?? [])
        let response = try head(httpHead(lines.filter { !$0.isEmpty }), as: HTTPResponseHead.self)
        let client = ClientHandshake(authority: "h", nonce: Array("the sample nonce".utf8))
        if fault == nil {
            #expect(try client.check(response) == nil)
        } else {
            #expect(throws: ClientHandshake.Failure.self) { try client.check(response) }
        }
    }

    /// Vectors of FIPS 180-4 and its companion examples, and lengths around a block's end.
    @Test func hashesAreThoseOfTheStandard() {
        func hex(_ text: String) -> String {
            SHA1.digest(Array(text.utf8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }
        #expect(hex("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709")
        #expect(hex("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d")
        #expect(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "84983e441c3bd26ebaae4aa1f95129e5e54670f1")
        #expect(hex(String(repeating: "a", count: 1_000_000)) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
    }

    @Test func textOfBytesIsPadded() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map { Base64.encode($0.utf8) }
        #expect(texts == ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"])
    }
}
