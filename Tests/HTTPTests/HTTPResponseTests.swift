import HTTP
import Testing

@Suite struct HTTPResponseTests {
    @Test func statusLineIsRead() throws {
        let (head, _) = try #require(try parse("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", as: HTTPResponseHead.self))
        #expect(head.status == .switchingProtocols && head.headers["upgrade"] == "websocket")
        #expect(try parse("HTTP/1.0 200\r\n\r\n", as: HTTPResponseHead.self)?.head.status.code == 200)
    }

    @Test(arguments: [
        "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 0200\r\n", "HTTP/1.1 +20 OK\r\n", "HTTP/2 200 OK\r\n", "200 OK\r\n",
        "HTTP/1.1 999 Odd\r\n", "HTTP/1.1 200 OK\nX: y\r\n\r\n",
    ])
    func malformedResponsesAreRefused(text: String) {
        #expect(throws: HTTPRefusal.self) { try parse(text, as: HTTPResponseHead.self) }
    }

    @Test func responseThatWasWrittenIsRead() throws {
        let response = HTTPResponse(HTTPRefusal(.forbidden, "No."))
        let (head, consumed) = try #require(try parse(response.bytes, pieces: [], as: HTTPResponseHead.self))
        #expect(head.status == .forbidden && head.headers["content-length"] == "4")
        #expect(Array(response.bytes[consumed...]) == Array("No.\n".utf8))
    }

    @Test func upgradeHasNoLength() throws {
        let (head, _) = try #require(try parse(HTTPResponse(.switchingProtocols).bytes, pieces: [], as: HTTPResponseHead.self))
        #expect(head.headers["content-length"] == nil)
    }

    @Test func valuesCannotBeginALine() {
        let response = HTTPResponse(.ok, headers: ["X": "a\r\nSet-Cookie: b\0c"])
        let text = String(decoding: response.bytes, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\nX: a  Set-Cookie: b c\r\n"))
    }
}
