internal import FoundationEssentials
public import Reactor
public import TelekinesisProtocol

/// Opens WebSockets to servers, through a proxy where the environment names one.
public struct WebSocketDialer: Sendable {
    /// The subprotocols offered, the preferred one first.
    public var subprotocols = [ProtocolVersion.subprotocol]
    /// For everything up to the end of the WebSocket's handshake, the look-up of the name included, in nanoseconds.
    public var timeout: UInt64 = 10_000_000_000
    /// For the WebSocket's handshake on a connection that was made, in nanoseconds; what a session then says to be let in counts from the same
    /// moment, see ``LinkLimits/handshake``.
    public var handshake: UInt64 = LinkLimits().handshake
    /// The largest message taken, in bytes.
    public var maximumMessageSize = TransportLimits.maximumMessage
    /// Which proxy to go through.
    public var proxies: ProxySettings

    /// A dialer that goes through the proxies that the process's environment names.
    public init() { proxies = ProxySettings(environment: ProcessInfo.processInfo.environment) }

    /// Opens a WebSocket with the default settings.
    public static func dial<Receiver: TransportReceiver>(
        _ url: WebSocketURL, on loop: EventLoop, receiver: @escaping @Sendable (WebSocketTransport) -> Receiver
    ) async throws(TelekinesisError) -> Receiver {
        try await WebSocketDialer().dial(url, on: loop, receiver: receiver)
    }

    /// Opens a WebSocket.
    ///
    /// - Parameters:
    ///   - url: where to.
    ///   - loop: the loop that the connection will belong to.
    ///   - receiver: makes what hears of everything that comes. Called on the loop, before anything is received.
    /// - Returns: what `receiver` made.
    /// - Throws: `unreachable` when there is no connection or no WebSocket at its other end, `cancelled` when the task is cancelled.
    public func dial<Receiver: TransportReceiver>(
        _ url: WebSocketURL, on loop: EventLoop, receiver: @escaping @Sendable (WebSocketTransport) -> Receiver
    ) async throws(TelekinesisError) -> Receiver {
        let proxy: ProxySettings.Proxy?
        do {
            proxy = try proxies.proxy(for: url.host, port: url.port)
        } catch {
            throw TelekinesisError(.invalidUse, error.reason)
        }
        let attempt = OutgoingConnection(to: url, through: proxy, settings: self, receiver: receiver)
        let start = loop.now
        let (host, port) = proxy.map { ($0.host, $0.port) } ?? (url.host, url.port)
        do {
            _ = try await TCPStream.dial(host: host, port: port, on: loop, timeout: Int64(clamping: timeout)) { stream in
                attempt.begin(stream)
                return attempt
            }
        } catch {
            if Task.isCancelled { throw TelekinesisError(.cancelled, "the connection to \(url) was cancelled", cause: error) }
            throw TelekinesisError(.unreachable, proxy == nil ? "\(error)" : "the proxy: \(error)", cause: error)
        }
        let elapsed = loop.now - start
        let left = min(timeout > elapsed ? timeout - elapsed : 0, handshake)
        let timer = loop.schedule(after: Int64(clamping: left)) {
            attempt.fail(.init(.unreachable, "\(url) accepted the connection, but did not answer in time"))
        }
        defer { timer.cancel() }
        return try await attempt.outcome()
    }
}
