public import HTTP

/// The client's side of the opening handshake (RFC 6455 §4.1).
public struct ClientHandshake: Sendable {
    /// The value of the `Host` header: `host[:port]`.
    public let authority: String
    /// Path and query, beginning with a slash.
    public let target: String
    /// The subprotocols offered, the preferred one first.
    public let subprotocols: [String]
    private let key: String

    /// A handshake that has not begun.
    ///
    /// - Parameter nonce: 16 random bytes, other ones for each connection.
    public init(authority: String, target: String = "/", subprotocols: [String] = [], nonce: [UInt8]) {
        self.authority = authority
        self.target = target
        self.subprotocols = subprotocols
        key = Base64.encode(nonce)
    }

    /// The bytes of the request.
    public var request: [UInt8] {
        var lines = [
            "GET \(target) HTTP/1.1", "Host: \(authority)", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: \(key)", "Sec-WebSocket-Version: 13",
        ]
        if !subprotocols.isEmpty { lines.append("Sec-WebSocket-Protocol: \(subprotocols.joined(separator: ", "))") }
        return httpHead(lines)
    }

    /// Why the server's answer does not begin a WebSocket.
    public struct Failure: Error, Equatable, Sendable {
        /// The status that the server answered with.
        public let status: HTTPStatus
        /// One sentence that says what was wrong with the answer.
        public let reason: String
    }

    /// Checks the server's answer.
    ///
    /// - Returns: the subprotocol that the server chose, if any.
    public func check(_ head: HTTPResponseHead) throws(Failure) -> String? {
        func require(_ condition: Bool, _ reason: @autoclosure () -> String) throws(Failure) {
            if !condition { throw Failure(status: head.status, reason: reason()) }
        }
        try require(
            head.status.code == 101, "The server answered \(head.status.code) \(head.status.phrase) in place of opening a WebSocket.")
        try require(
            head.headers.contains("websocket", in: "Upgrade") && head.headers.contains("upgrade", in: "Connection"),
            "The server changed to something other than a WebSocket.")
        try require(
            head.headers.values(of: "Sec-WebSocket-Accept") == [ServerHandshake.acceptance(ofKey: key)],
            "The server did not read this client's key.")
        try require(head.headers.list("Sec-WebSocket-Extensions").isEmpty, "The server uses an extension that was not offered.")
        let chosen = head.headers.values(of: "Sec-WebSocket-Protocol")
        try require(
            chosen.count <= 1 && chosen.allSatisfy(subprotocols.contains), "The server chose a subprotocol that was not offered.")
        return chosen.first
    }
}
