/// What stands in front of a message's body: a start line and header fields. The two kinds are requests and responses.
public protocol HTTPHead: Sendable {
    /// What the first line says.
    associatedtype StartLine: Sendable

    /// Reads the first line, given without its line end.
    static func startLine(_ line: [UInt8]) throws(HTTPRefusal) -> StartLine

    /// Puts a head together, refusing fields that contradict one another.
    init(_ startLine: StartLine, _ headers: HTTPHeaders) throws(HTTPRefusal)
}

/// HTTP/1.0 or HTTP/1.1; no other version has this form.
public enum HTTPVersion: Sendable {
    /// HTTP/1.0.
    case http10
    /// HTTP/1.1.
    case http11
}

/// How the end of a body is found (RFC 9112 §6).
public enum HTTPBodyLength: Equatable, Sendable {
    /// So many bytes; none if nothing was said.
    case bytes(Int)
    /// In chunks, which say their lengths themselves.
    case chunked
}

/// The head of a request (RFC 9112 §3).
public struct HTTPRequestHead: HTTPHead {
    /// `GET` and the like, in the case it came.
    public let method: String
    /// The request target: visible ASCII characters, not decoded.
    public let target: String
    /// The version on the request line.
    public let version: HTTPVersion
    /// The header fields.
    public let headers: HTTPHeaders
    /// How long the body is that follows.
    public let body: HTTPBodyLength

    /// Reads `METHOD target HTTP/1.1`.
    public static func startLine(_ line: [UInt8]) throws(HTTPRefusal) -> (method: String, target: String, version: HTTPVersion) {
        let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, !parts[1].isEmpty,
            parts[0].allSatisfy(\.isTokenCharacter), parts[1].allSatisfy({ (0x21...0x7E).contains($0) })
        else { throw HTTPRefusal(.badRequest, "The request line is not 'METHOD target HTTP/1.1'.") }
        let version = try HTTPVersion(parts[2])
        return (String(decoding: parts[0], as: UTF8.self), String(decoding: parts[1], as: UTF8.self), version)
    }

    /// A request of the given parts; duplicates and contradictions are refused.
    public init(_ startLine: (method: String, target: String, version: HTTPVersion), _ headers: HTTPHeaders) throws(HTTPRefusal) {
        (method, target, version) = startLine
        self.headers = headers
        try headers.refuseDuplicates(of: ["Host", "Upgrade", "Content-Length", "Transfer-Encoding"])
        guard version == .http10 || headers["Host"] != nil else {
            throw HTTPRefusal(.badRequest, "A request of HTTP/1.1 must have a Host header.")
        }
        let length = try headers.contentLength()
        guard let coding = headers["Transfer-Encoding"] else {
            body = .bytes(length ?? 0)
            return
        }
        // Two ways of finding the end are how requests are smuggled past a proxy (RFC 9112 §6.3): refused rather than resolved.
        guard length == nil, version == .http11 else {
            throw HTTPRefusal(.badRequest, "Transfer-Encoding goes neither with Content-Length nor with HTTP/1.0.")
        }
        guard coding.equalsIgnoringASCIICase("chunked") else {
            throw HTTPRefusal(.notImplemented, "The only transfer coding understood is chunked.")
        }
        body = .chunked
    }
}

/// The head of a response (RFC 9112 §4).
public struct HTTPResponseHead: HTTPHead {
    /// Code and phrase of the status line.
    public let status: HTTPStatus
    /// The version on the status line.
    public let version: HTTPVersion
    /// The header fields.
    public let headers: HTTPHeaders

    /// Reads `HTTP/1.1 code phrase`; the phrase may be missing.
    public static func startLine(_ line: [UInt8]) throws(HTTPRefusal) -> (status: HTTPStatus, version: HTTPVersion) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[1].count == 3, let code = Int(decimalDigits: parts[1]), (100...599).contains(code) else {
            throw HTTPRefusal(.badRequest, "The status line is not 'HTTP/1.1 code phrase'.")
        }
        let version = try HTTPVersion(parts[0])
        let phrase = parts.count == 3 ? String(decoding: parts[2], as: UTF8.self) : ""
        return (HTTPStatus(code: code, phrase: phrase), version)
    }

    /// A response of the given parts; duplicates and contradictions are refused.
    public init(_ startLine: (status: HTTPStatus, version: HTTPVersion), _ headers: HTTPHeaders) throws(HTTPRefusal) {
        (status, version) = startLine
        self.headers = headers
        try headers.refuseDuplicates(of: ["Upgrade", "Content-Length", "Transfer-Encoding"])
        guard try headers.contentLength() == nil || headers["Transfer-Encoding"] == nil else {
            throw HTTPRefusal(.badRequest, "The response has both Content-Length and Transfer-Encoding.")
        }
    }
}

extension HTTPVersion {
    init(_ text: ArraySlice<UInt8>) throws(HTTPRefusal) {
        switch String(decoding: text, as: UTF8.self) {
        case "HTTP/1.1": self = .http11
        case "HTTP/1.0": self = .http10
        case let other where other.hasPrefix("HTTP/") && other.utf8.count == 8:
            throw HTTPRefusal(.versionNotSupported, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        default: throw HTTPRefusal(.badRequest, "The first line does not name a version of HTTP.")
        }
    }
}

extension HTTPHeaders {
    func refuseDuplicates(of names: [String]) throws(HTTPRefusal) {
        for name in names where values(of: name).count > 1 {
            throw HTTPRefusal(.badRequest, "There is more than one \(name) header.")
        }
    }

    func contentLength() throws(HTTPRefusal) -> Int? {
        guard let text = self["Content-Length"] else { return nil }
        guard let length = Int(decimalDigits: text.utf8) else {
            throw HTTPRefusal(.badRequest, "Content-Length is not a number of bytes from 0 to 2^63-1.")
        }
        return length
    }
}

extension Int {
    /// A number written in digits alone, without a sign; nil if it does not fit.
    init?(decimalDigits digits: some Collection<UInt8>) {
        guard !digits.isEmpty else { return nil }
        var value = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(digit & 0x0F))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        self = value
    }
}
