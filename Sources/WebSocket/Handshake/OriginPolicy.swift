internal import HTTP

/// Which web pages may connect (RFC 6455 §10.2).
///
/// Browsers let any page open a WebSocket to any host and say in `Origin` which page it was; programs send no `Origin`. By default every
/// request with one is refused: an open hub on loopback must not be callable by whatever page its user looks at.
public struct OriginPolicy: Sendable {
    /// Origins that may connect, as a browser writes them: `https://console.example:8443`.
    public var allowed: Set<String>
    /// Whether pages that were served by the very host and port they connect to may do so.
    public var allowsSameHost: Bool

    /// Refuses every page but those named.
    public init(allowed: Set<String> = [], allowsSameHost: Bool = false) {
        self.allowed = Set(allowed.map { $0.lowercased() })
        self.allowsSameHost = allowsSameHost
    }

    /// Whether a request with these `Origin` headers, sent to `host`, may connect.
    public func admits(origins: [String], host: String?) -> Bool {
        guard let origin = origins.first?.lowercased() else { return true }
        guard origins.count == 1 else { return false }
        if allowed.contains(origin) { return true }
        guard allowsSameHost, let host = host?.lowercased() else { return false }
        return origin == "http://\(host)" || origin == "https://\(host)"
    }
}

/// Which names a server answers to.
///
/// A page can make its own name point to 127.0.0.1 (DNS rebinding); its requests then come from the user's machine, but carry that name in
/// `Host`. A server bound to loopback therefore answers to names of loopback alone.
public enum HostPolicy: Sendable {
    /// Every name: for listeners that the world can reach anyway.
    case any
    /// `localhost`, 127.0.0.0/8, `[::1]` and the names given, with any port.
    case loopback(alsoAllowed: Set<String>)

    /// Whether a request with this `Host` header is answered.
    public func admits(_ host: String?) -> Bool {
        guard case .loopback(let alsoAllowed) = self else { return true }
        guard let host, let name = Self.name(ofAuthority: host)?.lowercased() else { return false }
        return name == "localhost" || name == "[::1]" || Self.isLoopbackIPv4(name) || alsoAllowed.contains { $0.lowercased() == name }
    }

    /// The host of `host[:port]`; nil if it has not that form (RFC 3986 §3.2).
    private static func name(ofAuthority authority: String) -> Substring? {
        let name: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            name = authority[...end]
        } else {
            name = authority.prefix { $0 != ":" }
        }
        let port = authority[name.endIndex...]
        guard !name.isEmpty, port.isEmpty || port.first == ":" && port.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return name
    }

    private static func isLoopbackIPv4(_ name: String) -> Bool {
        let octets = name.split(separator: ".", omittingEmptySubsequences: false)
        return octets.count == 4 && octets[0] == "127"
            && octets.allSatisfy { octet in UInt8(octet).map { String($0) == octet } ?? false }
    }
}
