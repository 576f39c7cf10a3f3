/// A status code of RFC 9110 §15 with its usual phrase.
public struct HTTPStatus: Equatable, Sendable {
    /// The number on the status line, 100 to 599.
    public let code: Int
    /// The words behind the number; of no meaning to machines.
    public let phrase: String

    /// A status that has no name here.
    public init(code: Int, phrase: String) {
        self.code = code
        self.phrase = phrase
    }

    /// 101: the connection changes its protocol.
    public static let switchingProtocols = HTTPStatus(code: 101, phrase: "Switching Protocols")
    /// 200: the answer is in the body.
    public static let ok = HTTPStatus(code: 200, phrase: "OK")
    /// 400: the request is malformed.
    public static let badRequest = HTTPStatus(code: 400, phrase: "Bad Request")
    /// 403: understood and refused.
    public static let forbidden = HTTPStatus(code: 403, phrase: "Forbidden")
    /// 404: nothing is here.
    public static let notFound = HTTPStatus(code: 404, phrase: "Not Found")
    /// 405: not with this method.
    public static let methodNotAllowed = HTTPStatus(code: 405, phrase: "Method Not Allowed")
    /// 408: the request did not arrive in time.
    public static let requestTimeout = HTTPStatus(code: 408, phrase: "Request Timeout")
    /// 414: the request line is too long.
    public static let uriTooLong = HTTPStatus(code: 414, phrase: "URI Too Long")
    /// 421: this server does not answer for that host.
    public static let misdirectedRequest = HTTPStatus(code: 421, phrase: "Misdirected Request")
    /// 426: another protocol is needed.
    public static let upgradeRequired = HTTPStatus(code: 426, phrase: "Upgrade Required")
    /// 431: too many header fields, or too large ones.
    public static let headersTooLarge = HTTPStatus(code: 431, phrase: "Request Header Fields Too Large")
    /// 501: the request needs something that is not spoken here.
    public static let notImplemented = HTTPStatus(code: 501, phrase: "Not Implemented")
    /// 503: not now.
    public static let serviceUnavailable = HTTPStatus(code: 503, phrase: "Service Unavailable")
    /// 505: another major version than 1.
    public static let versionNotSupported = HTTPStatus(code: 505, phrase: "HTTP Version Not Supported")
}

/// Why a head was refused: a status for the peer and a sentence for people.
public struct HTTPRefusal: Error, Equatable, Sendable {
    /// What a server answers; without meaning where a client refuses a response.
    public let status: HTTPStatus
    /// One sentence that names what was wrong.
    public let reason: String

    /// A refusal with `status`, explained by `reason`.
    public init(_ status: HTTPStatus, _ reason: String) {
        self.status = status
        self.reason = reason
    }
}
