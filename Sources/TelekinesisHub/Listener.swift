internal import Glibc
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol
internal import WebSocket

/// Where a hub takes connections: WebSockets whose `Origin` and `Host` are checked, each a session of its own.
final class Listener: Sendable {
    /// The addresses, as nodes write them.
    let urls: [String]
    private let socket: TCPListener

    private init(_ socket: TCPListener, host: String) {
        self.socket = socket
        let addresses = socket.addresses.map { "ws://\($0)" }
        urls = host == "localhost" ? ["ws://localhost:\(socket.port)"] + addresses : addresses
    }

    /// Listens, unless the configuration says otherwise.
    ///
    /// - Throws: `invalidUse` for an open hub that other machines could reach; `unreachable` when the address is not to be had.
    static func open(_ configuration: HubConfiguration, _ board: Switchboard, _ group: EventLoopGroup) async throws -> Listener? {
        guard let host = configuration.host else { return nil }
        let isReady = Gate()
        var upgrades = WebSocketAcceptor(policy: policy(configuration)) { transport in
            // Of more than a stranger may say, not even the beginning is kept; the link raises this when it is open.
            transport.limitMessages(to: board.limits.link.messageBeforeAuthentication)
            let session = HubSession(board, loop: transport.loop, isLocal: false)
            let link = Link(transport, receiver: session, limits: board.limits.link)
            do throws(TelekinesisError) {
                try board.arrive(session)
            } catch {
                session.finish(error)
                link.close(error)
            }
            return link
        }
        upgrades.timeout = configuration.limits.link.handshake
        let acceptor = upgrades
        let socket: TCPListener
        do {
            socket = try await TCPListener.listen(host: host, port: configuration.port, group: group) { stream in
                isReady.isOpen ? acceptor.handler(for: stream) : nil
            }
        } catch {
            let isTaken = error.number == EADDRINUSE
            let advice = isTaken ? ". Another hub may be running there; port 0 takes a free one" : ""
            throw TelekinesisError(
                .unreachable, "the hub cannot listen on \(host), port \(configuration.port): \(error)\(advice)", cause: error)
        }
        guard !board.isOpen || configuration.insecure || socket.addresses.allSatisfy(\.isLoopback) else {
            socket.close()
            throw TelekinesisError(
                .invalidUse,
                "\(host) is open to other machines and the hub asks nobody who they are: give it a shared secret (--secret-file), "
                    + "or say --insecure")
        }
        isReady.open()
        return Listener(socket, host: host)
    }

    /// Web pages may not connect unless they are named; a hub on loopback answers to names of loopback only, so that no page can make a name of
    /// its own lead here.
    private static func policy(_ configuration: HubConfiguration) -> ServerHandshake.Policy {
        let host = configuration.host ?? ""
        let isLoopback = host == "localhost" || SocketAddress(literal: host, port: 0)?.isLoopback == true
        let isForThisMachine = isLoopback || configuration.authenticator is OpenAccess && !configuration.insecure
        return ServerHandshake.Policy(
            host: isForThisMachine || !configuration.allowedHosts.isEmpty
                ? .loopback(alsoAllowed: Set(configuration.allowedHosts + [host])) : .any,
            origin: OriginPolicy(allowed: Set(configuration.allowedOrigins)), subprotocols: [ProtocolVersion.subprotocol],
            requiresSubprotocol: true)
    }

    /// Takes no more connections. Those that are there live on.
    func close() { socket.close() }
}

/// Opens once.
private final class Gate: Sendable {
    private let state = Atomic<Bool>(false)
    var isOpen: Bool { state.load(ordering: .acquiring) }
    func open() { state.store(true, ordering: .releasing) }
}
