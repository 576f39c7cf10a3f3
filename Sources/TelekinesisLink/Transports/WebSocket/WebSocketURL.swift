public import TelekinesisProtocol

/// Where a WebSocket server is: `ws://host[:port][/path]` (RFC 6455 §3).
public struct WebSocketURL: Hashable, Sendable, CustomStringConvertible {
    /// A name or an address literal; an IPv6 address stands without its brackets.
    public let host: String
    /// The port.
    public let port: UInt16
    /// Path and query, beginning with a slash.
    public let target: String

    /// Reads a URL.
    ///
    /// - Throws: `invalidUse` with what is wrong with it.
    public init(_ text: String) throws(TelekinesisError) {
        func refuse(_ reason: String) -> TelekinesisError {
            TelekinesisError(.invalidUse, "'\(text)' is not an address such as ws://localhost:3388: \(reason)")
        }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw refuse("it has characters that no URL has") }
        guard let schemeEnd = text.firstRange(of: "://") else { throw refuse("it does not begin with ws://") }
        switch text[..<schemeEnd.lowerBound].lowercased() {
        case "ws": break
        case "wss": throw TelekinesisError(.unsupported, "'\(text)' needs TLS, which this version does not have: use ws://")
        default: throw refuse("it does not begin with ws://")
        }
        let rest = text[schemeEnd.upperBound...]
        let authorityEnd = rest.firstIndex { "/?".contains($0) } ?? rest.endIndex
        guard !rest.contains("#") else { throw refuse("a fragment has no meaning here") }
        guard !rest[..<authorityEnd].contains("@") else { throw refuse("a user name does not belong into the address") }
        guard let (host, port) = HostAndPort.split(rest[..<authorityEnd]) else { throw refuse("host or port is missing or malformed") }
        self.host = host
        self.port = port ?? 80
        let path = rest[authorityEnd...]
        target = path.hasPrefix("/") ? String(path) : "/" + path
    }

    /// Host and port as in the `Host` header: with brackets around an IPv6 address.
    public var authority: String { HostAndPort.join(host, port) }

    /// The URL in its usual form.
    public var description: String { "ws://\(authority)\(target == "/" ? "" : target)" }
}

/// The form `host[:port]` (RFC 3986 §3.2).
enum HostAndPort {
    static func split(_ text: some StringProtocol) -> (host: String, port: UInt16?)? {
        let host: String
        let rest: String
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = String(text[text.index(after: text.startIndex)..<end])
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || ":.%".contains($0) || $0.isLetter }) else { return nil }
            rest = String(text[text.index(after: end)...])
        } else {
            let end = text.firstIndex(of: ":") ?? text.endIndex
            host = String(text[..<end])
            rest = String(text[end...])
        }
        guard !host.isEmpty else { return nil }
        if rest.isEmpty { return (host, nil) }
        guard rest.hasPrefix(":"), rest.utf8.dropFirst().allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(rest.dropFirst()),
            port > 0
        else { return nil }
        return (host, port)
    }

    static func join(_ host: String, _ port: UInt16) -> String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
