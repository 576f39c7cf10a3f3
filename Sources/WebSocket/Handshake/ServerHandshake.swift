public import HTTP

/// The server's side of the opening handshake (RFC 6455 §4.2).
public enum ServerHandshake {
    /// What a server asks of those who connect.
    public struct Policy: Sendable {
        /// Which names it answers to.
        public var host: HostPolicy
        /// Which web pages may connect.
        public var origin: OriginPolicy
        /// The subprotocols it speaks.
        public var subprotocols: [String]
        /// Whether a client that offers none of them is refused. Otherwise it is accepted without one.
        public var requiresSubprotocol: Bool

        /// A policy; the default admits programs on this machine and no web pages.
        public init(
            host: HostPolicy = .loopback(alsoAllowed: []), origin: OriginPolicy = OriginPolicy(),
            subprotocols: [String] = [], requiresSubprotocol: Bool = false
        ) {
            self.host = host
            self.origin = origin
            self.subprotocols = subprotocols
            self.requiresSubprotocol = requiresSubprotocol
        }
    }

    /// The answer to a request.
    public enum Answer: Equatable, Sendable {
        /// Send the response; WebSocket frames follow in both directions.
        case accepted(response: [UInt8], subprotocol: String?)
        /// Send the response and close.
        case refused(HTTPResponse)
    }

    /// How many of the subprotocols that a client offers are looked at.
    static let offersLookedAt = 32

    /// Whether a request asks for a WebSocket at all; if not, it is plain HTTP.
    public static func isRequested(by head: HTTPRequestHead) -> Bool {
        head.headers.contains("websocket", in: "Upgrade")
    }

    /// Answers an upgrade request.
    public static func answer(_ head: HTTPRequestHead, policy: Policy) -> Answer {
        do {
            return try accept(head, policy: policy)
        } catch {
            // RFC 6455 §4.4, RFC 9110 §15.5.22
            let more: HTTPHeaders = error.status == .upgradeRequired ? ["Upgrade": "websocket", "Sec-WebSocket-Version": "13"] : [:]
            return .refused(HTTPResponse(error, adding: more))
        }
    }

    /// Refuses a request from a page, or for a host, that the policy does not admit. It holds for plain HTTP requests as well.
    public static func checkSender(of head: HTTPRequestHead, policy: Policy) throws(HTTPRefusal) {
        guard policy.host.admits(head.headers["Host"]) else {
            throw HTTPRefusal(.misdirectedRequest, "This server does not answer to the name in the Host header.")
        }
        guard policy.origin.admits(origins: head.headers.values(of: "Origin"), host: head.headers["Host"]) else {
            throw HTTPRefusal(.forbidden, "Web pages of this origin may not connect.")
        }
    }

    private static func accept(_ head: HTTPRequestHead, policy: Policy) throws(HTTPRefusal) -> Answer {
        try checkSender(of: head, policy: policy)
        guard isRequested(by: head), head.headers.contains("upgrade", in: "Connection") else {
            throw HTTPRefusal(.upgradeRequired, "This address speaks WebSocket: send 'Upgrade: websocket' and 'Connection: Upgrade'.")
        }
        guard head.method == "GET", head.version == .http11, head.body == .bytes(0) else {
            throw HTTPRefusal(.badRequest, "A WebSocket begins with a GET request of HTTP/1.1 without a body.")
        }
        guard head.headers.values(of: "Sec-WebSocket-Version") == ["13"] else {
            throw HTTPRefusal(.upgradeRequired, "The only version of WebSocket spoken here is 13.")
        }
        let keys = head.headers.values(of: "Sec-WebSocket-Key")
        guard keys.count == 1, Base64.isKey(keys[0]) else {
            throw HTTPRefusal(.badRequest, "Sec-WebSocket-Key must occur once and hold 16 bytes as Base64.")
        }
        let offers = head.headers.list("Sec-WebSocket-Protocol", limit: offersLookedAt)
        let subprotocol = offers.first(where: policy.subprotocols.contains)
        guard subprotocol != nil || !policy.requiresSubprotocol else {
            throw HTTPRefusal(.badRequest, "Offer a subprotocol that is spoken here: \(policy.subprotocols.joined(separator: ", ")).")
        }
        var headers: HTTPHeaders = ["Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": acceptance(ofKey: keys[0])]
        if let subprotocol { headers.append("Sec-WebSocket-Protocol", subprotocol) }
        return .accepted(response: HTTPResponse(.switchingProtocols, headers: headers).bytes, subprotocol: subprotocol)
    }

    /// The value of Sec-WebSocket-Accept that proves a key was read (RFC 6455 §4.2.2).
    static func acceptance(ofKey key: String) -> String {
        Base64.encode(SHA1.digest(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }
}
