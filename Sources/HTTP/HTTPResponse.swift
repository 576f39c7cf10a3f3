/// A response that is written in one piece.
public struct HTTPResponse: Equatable, Sendable {
    /// The status line's code and phrase.
    public var status: HTTPStatus
    /// The header fields, without Content-Length.
    public var headers: HTTPHeaders
    /// The body.
    public var body: [UInt8]

    /// A response of the given parts.
    public init(_ status: HTTPStatus, headers: HTTPHeaders = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// A refusal as plain text, after which the connection is closed, with further headers where the status asks for them.
    public init(_ refusal: HTTPRefusal, adding headers: HTTPHeaders = [:]) {
        self.init(
            refusal.status, headers: ["Content-Type": "text/plain; charset=utf-8", "Connection": "close"],
            body: Array((refusal.reason + "\n").utf8))
        for field in headers.fields { self.headers.append(field.name, field.value) }
    }

    /// The bytes to send. Content-Length is added wherever a body is allowed (RFC 9110 §8.6).
    public var bytes: [UInt8] {
        var lines = ["HTTP/1.1 \(status.code) \(status.phrase)"]
        lines += headers.fields.map { "\($0.name): \($0.value)" }
        if status.code >= 200, status.code != 204 { lines.append("Content-Length: \(body.count)") }
        return httpHead(lines) + body
    }
}

/// The bytes of a head that consists of `lines`.
///
/// Control characters in a line become spaces, so that no value, wherever it came from, can begin a line of its own.
public func httpHead(_ lines: [String]) -> [UInt8] {
    var bytes: [UInt8] = []
    for line in lines {
        bytes += line.utf8.lazy.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }
        bytes += [0x0D, 0x0A]
    }
    return bytes + [0x0D, 0x0A]
}
