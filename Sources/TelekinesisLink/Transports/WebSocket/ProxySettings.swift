internal import WebSocket

/// Which HTTP proxy to go through, by the conventions of `HTTPS_PROXY` and `NO_PROXY`.
///
/// A WebSocket needs a tunnel, which is what `HTTPS_PROXY` is for; `HTTP_PROXY` and `ALL_PROXY` are looked at after it. Names in
/// lower case come first. This machine itself is never reached through a proxy.
public struct ProxySettings: Sendable {
    /// A proxy that makes tunnels (RFC 9110 §9.3.6).
    struct Proxy: Equatable, Sendable {
        var host: String
        var port: UInt16
        /// The value of Proxy-Authorization (RFC 7617), if the URL has a user.
        var authorization: String?
    }

    /// A setting that cannot be used.
    struct Unusable: Error {
        var reason: String
    }

    private let proxy: (variable: String, url: String)?
    private let exceptions: [String]

    /// The settings in these environment variables.
    public init(environment: [String: String]) {
        func value(_ name: String) -> (variable: String, url: String)? {
            for name in [name.lowercased(), name] {
                // In a CGI program HTTP_PROXY is what a client sent as its header "Proxy".
                if name == "HTTP_PROXY", environment["REQUEST_METHOD"] != nil { continue }
                if let url = environment[name], !url.isEmpty { return (name, url) }
            }
            return nil
        }
        proxy = value("HTTPS_PROXY") ?? value("HTTP_PROXY") ?? value("ALL_PROXY")
        exceptions = (value("NO_PROXY")?.url ?? "").split { $0 == "," || $0 == " " }.map { $0.lowercased() }
    }

    /// No proxy at all.
    public static let none = ProxySettings(environment: [:])

    /// The proxy on the way to `host`, if any.
    func proxy(for host: String, port: UInt16) throws(Unusable) -> Proxy? {
        guard let proxy, !Self.isThisMachine(host), !exceptions.contains(where: { Self.matches($0, host.lowercased(), port) }) else {
            return nil
        }
        guard let found = Self.parse(proxy.url) else {
            throw Unusable(reason: "\(proxy.variable) must be http://[user:password@]host[:port]")
        }
        return found
    }

    private static func parse(_ url: String) -> Proxy? {
        var rest = url[...]
        if let schemeEnd = rest.firstRange(of: "://") {
            guard rest[..<schemeEnd.lowerBound].lowercased() == "http" else { return nil }
            rest = rest[schemeEnd.upperBound...]
        }
        rest = rest.prefix { $0 != "/" }
        var authorization: String?
        if let at = rest.lastIndex(of: "@") {
            let user = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(decodePercents)
            authorization = "Basic " + Base64.encode(user[0] + [UInt8(ascii: ":")] + (user.count > 1 ? user[1] : []))
            rest = rest[rest.index(after: at)...]
        }
        guard let (host, port) = HostAndPort.split(rest) else { return nil }
        return Proxy(host: host, port: port ?? 80, authorization: authorization)
    }

    private static func decodePercents(_ text: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let first = rest.popFirst() {
            if first == UInt8(ascii: "%"), rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(first)
            }
        }
        return bytes
    }

    private static func isThisMachine(_ host: String) -> Bool {
        HostPolicy.loopback(alsoAllowed: []).admits(host.contains(":") ? "[\(host)]" : host)
    }

    /// Whether `host` is what an entry of NO_PROXY names: itself, or a domain that it is in, or everything.
    private static func matches(_ entry: String, _ host: String, _ port: UInt16) -> Bool {
        if entry == "*" || entry == host { return true }
        var name = entry
        if let (onlyHost, onlyPort) = HostAndPort.split(entry), let onlyPort {
            guard onlyPort == port else { return false }
            name = onlyHost
        }
        if name.hasPrefix("[") { name = String(name.dropFirst().prefix { $0 != "]" }) }
        if name.hasPrefix("*.") { name.removeFirst() }
        if name.hasPrefix(".") { return host.hasSuffix(name) || host == name.dropFirst() }
        return host == name || host.hasSuffix("." + name)
    }
}
