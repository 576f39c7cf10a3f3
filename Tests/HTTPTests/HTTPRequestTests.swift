import HTTP
import Testing

@Suite struct HTTPRequestTests {
    @Test func headIsReadAndTheBodyLeftAlone() throws {
        let text = "POST /a?b=%20 HTTP/1.1\r\nHost: h\r\nX-Thing:\t one two \r\nEmpty:\r\nContent-Length: 4\r\n\r\nbody"
        let (head, consumed) = try #require(try parse(text))
        #expect(head.method == "POST" && head.target == "/a?b=%20" && head.version == .http11)
        #expect(head.headers["x-thing"] == "one two" && head.headers["EMPTY"] == "")
        #expect(head.body == .bytes(4))
        #expect(consumed == text.utf8.count - 4)
    }

    @Test func headIsTheSameHoweverItIsCut() throws {
        let bytes = Array(request("Upgrade: websocket", "Connection: keep-alive, Upgrade").utf8)
        for first in 0...bytes.count {
            for second in first...bytes.count {
                let (head, consumed) = try #require(try parse(bytes, pieces: [first, second]))
                #expect(head.headers.fields.count == 3 && consumed == bytes.count)
            }
        }
        #expect(try parse(Array(bytes.dropLast()), pieces: []) == nil)
    }

    @Test func listsAreFoundInAnyCaseAndOverSeveralFields() throws {
        let (head, _) = try #require(try parse(request("Connection: keep-alive , UPGRADE,,", "connection: other")))
        #expect(head.headers.contains("upgrade", in: "Connection"))
        #expect(head.headers.contains("Other", in: "connection"))
        #expect(!head.headers.contains("keep", in: "connection"))
        #expect(head.headers.list("Connection", limit: 2) == ["keep-alive", "UPGRADE"])
    }

    @Test(arguments: [
        "GET / HTTP/1.1\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", "GET / HTTP/1.1\r\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n", "GET  / HTTP/1.1\r\n", "GET /\r\n", "GET / x HTTP/1.1\r\n", "G\u{40}T / HTTP/1.1\r\n",
        "GET /\u{7F} HTTP/1.1\r\n", "GET /é HTTP/1.1\r\n", "GET / HTTP/1.1x\r\n", "GET / http/1.1\r\n", " GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\n\r\n", "GET\0 / HTTP/1.1\r\n",
    ])
    func malformedLinesAreRefused(text: String) {
        #expect(refusal(of: text) == 400)
    }

    @Test(arguments: [
        "Name : value", " folded: value", "\tfolded", ": no name", "no colon", "na me: value", "näme: value", "X: a\0b", "X: a\u{1}b",
        "X: \u{7F}", "Host: other", "host: localhost", "Content-Length: -1", "Content-Length: +1", "Content-Length: ",
        "Content-Length: 1 ,1",
        "Content-Length: 0x10", "Content-Length: 9223372036854775808", "Content-Length: 18446744073709551616", "Content-Length: 1_0",
        "Content-Length: ١",
    ])
    func malformedHeadersAreRefused(header: String) {
        #expect(refusal(of: request(header)) == 400)
    }

    @Test(arguments: [
        ["Upgrade: websocket", "upgrade: websocket"], ["Content-Length: 1", "Content-Length: 1"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], ["Content-Length: 1", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 1"],
    ])
    func contradictionsAreRefused(headers: [String]) {
        #expect(refusal(of: request(headers[0], headers[1])) == 400)
    }

    @Test func otherVersionsAndCodingsAreNamed() throws {
        #expect(refusal(of: "GET / HTTP/2.0\r\n") == 505)
        #expect(refusal(of: "GET / HTTP/1.2\r\n") == 505)
        #expect(refusal(of: request("Transfer-Encoding: gzip, chunked")) == 501)
        #expect(try parse(request("Transfer-Encoding: Chunked"))?.head.body == .chunked)
        #expect(try parse("GET / HTTP/1.0\r\n\r\n")?.head.version == .http10)
        #expect(refusal(of: "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400)
    }

    @Test func largestLengthIsRead() throws {
        #expect(try parse(request("Content-Length: 9223372036854775807"))?.head.body == .bytes(.max))
    }

    @Test func limitsHoldBeforeTheLineEnds() {
        #expect(refusal(of: "GET /" + String(repeating: "a", count: 1 << 20)) == 414)
        #expect(refusal(of: "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 1 << 20)) == 431)
        #expect(refusal(of: "GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 100_000)) == 431)
        #expect(
            refusal(of: "GET / HTTP/1.1\r\n" + String(repeating: "abcdefgh: \(String(repeating: "x", count: 400))\r\n", count: 99)) == 431)
        let hundred = String(repeating: "a: b\r\n", count: 99)
        #expect(refusal(of: "GET / HTTP/1.1\r\nHost: h\r\n\(hundred)\r\n") == nil)
        #expect(refusal(of: "GET / HTTP/1.1\r\nHost: h\r\n\(hundred)a: b\r\n\r\n") == 431)
    }
}
