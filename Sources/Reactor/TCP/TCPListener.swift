internal import CSystem
internal import Glibc
internal import Synchronization

/// Accepts TCP connections and hands them to the loops of a group, each in its turn.
public final class TCPListener: Sendable {
    /// The bound addresses: as many as the host has (for `localhost` usually two), all with the same port.
    public let addresses: [SocketAddress]

    private let sockets: [ListeningSocket]

    /// Listens on every address of a host.
    ///
    /// - Parameters:
    ///   - host: a name or an address literal; `::` stands for all addresses, IPv4 ones included.
    ///   - port: the port; 0 lets the system choose one.
    ///   - group: where the connections go. Its first loop accepts them.
    ///   - accepted: gives each connection its handler, or nil to refuse it. Called by the accepting loop outside jobs: it must be brief.
    /// - Throws: ``SystemError`` if the name does not resolve, this machine has none of the addresses, or one that it has cannot be bound.
    public static func listen(
        host: String, port: UInt16, group: EventLoopGroup, accepted: @escaping @Sendable (TCPStream) -> (any StreamHandler)?
    ) async throws(SystemError) -> TCPListener {
        let addresses = try await Resolver.addresses(of: host, port: port)
        guard !addresses.isEmpty else { throw SystemError(operation: "listen on \(host)", reason: "the name has no address") }
        return try listen(on: addresses, port: port, group: group, accepted: accepted)
    }

    /// Listens on some addresses, as far as this machine has them.
    static func listen(
        on addresses: [SocketAddress], port: UInt16, group: EventLoopGroup,
        accepted: @escaping @Sendable (TCPStream) -> (any StreamHandler)?
    ) throws(SystemError) -> TCPListener {
        // A port that is free on the first address may be in use on the next: then another one has to be chosen.
        for _ in 1..<(port == 0 ? choices : 1) {
            do {
                return try TCPListener(addresses, port: port, group: group, accepted: accepted)
            } catch {
                if error.number != EADDRINUSE { throw error }
            }
        }
        return try TCPListener(addresses, port: port, group: group, accepted: accepted)
    }

    /// How many ports are tried where the system chooses.
    private static let choices = 16

    private convenience init(
        _ addresses: [SocketAddress], port: UInt16, group: EventLoopGroup,
        accepted: @escaping @Sendable (TCPStream) -> (any StreamHandler)?
    ) throws(SystemError) {
        var port = port
        var sockets: [ListeningSocket] = []
        var missing: SystemError?
        do throws(SystemError) {
            for address in addresses {
                do throws(SystemError) {
                    let socket = try ListeningSocket(address.with(port: port), group: group, accepted: accepted)
                    port = socket.address.port
                    sockets.append(socket)
                } catch {
                    // A machine without IPv6 still resolves localhost to ::1: one bound address is enough. One that somebody else has is not
                    // passed over: programs that come there would speak to a stranger.
                    guard error.isMissingAddress else { throw error }
                    missing = missing ?? error
                }
            }
            if sockets.isEmpty, let missing { throw missing }
            for socket in sockets { try socket.open() }
        } catch {
            for socket in sockets { socket.close() }
            throw error
        }
        self.init(sockets)
    }

    private init(_ sockets: [ListeningSocket]) {
        self.sockets = sockets
        addresses = sockets.map(\.address)
    }

    deinit {
        close()
    }

    /// The port, the same for all addresses.
    public var port: UInt16 { addresses[0].port }

    /// Accepts no more; new connections are refused at once. Those accepted live on.
    public func close() {
        for socket in sockets { socket.close() }
    }
}

extension SystemError {
    /// Whether the machine does not have an address, or its whole family.
    fileprivate var isMissingAddress: Bool { number == EADDRNOTAVAIL || number == EAFNOSUPPORT }
}

/// One listening socket under the watch of its group's first loop.
private final class ListeningSocket: PollSource {
    private static let backlog: Int32 = 4096
    private static let acceptedPerTurn = 64
    private static let pause: Int64 = 50_000_000

    let address: SocketAddress

    private let group: EventLoopGroup
    private let accepted: @Sendable (TCPStream) -> (any StreamHandler)?
    private let descriptor: SharedDescriptor
    private let isClosed = Atomic<Bool>(false)
    // Set when the socket is made.
    nonisolated(unsafe) private var watch: Watch?
    /// Given up for a moment when descriptors run out, to take a connection off the queue and close it. Touched by the loop alone.
    nonisolated(unsafe) private var reserve: Int32

    init(
        _ address: SocketAddress, group: EventLoopGroup, accepted: @escaping @Sendable (TCPStream) -> (any StreamHandler)?
    ) throws(SystemError) {
        let socket = tk_stream_socket(address.family)
        guard socket >= 0 else { throw SystemError(operation: "listen on \(address)") }
        _ = tk_reuse_address(socket)
        if case .v6 = address { _ = tk_ipv6_only(socket, address.isUnspecified ? 0 : 1) }
        guard address.withSystemAddress({ bind(socket, $0, $1) }) == 0, Glibc.listen(socket, Self.backlog) == 0,
            let bound = SocketAddress.ofSocket(socket)
        else {
            let error = SystemError(operation: "listen on \(address)")
            Glibc.close(socket)
            throw error
        }
        self.address = bound
        self.group = group
        self.accepted = accepted
        descriptor = SharedDescriptor(socket)
        reserve = Self.openReserve()
        watch = Watch(socket, self)
    }

    private var loop: EventLoop { group.loops[0] }

    func open() throws(SystemError) {
        guard let watch else { return }
        do {
            try loop.begin(watch, for: .readable)
        } catch {
            watch.end()
            throw error
        }
    }

    func close() {
        guard !isClosed.exchange(true, ordering: .relaxed), let watch else { return }
        // The port is free at once, not only when the loop has come round.
        _ = descriptor.use { shutdown($0, Int32(SHUT_RDWR)) }
        loop.end(watch)
    }

    func ready(_ readiness: Readiness, on loop: EventLoop) -> Bool {
        for _ in 0..<Self.acceptedPerTurn {
            if isClosed.load(ordering: .relaxed) { return false }
            var socket: Int32 = -1
            let remote = SocketAddress.reading { address, length in
                socket = descriptor.use { tk_accept($0, address, length) } ?? -1
                return socket >= 0
            }
            if socket >= 0 {
                accept(socket, from: remote)
                continue
            }
            switch errno {
            case EAGAIN: return false
            case EMFILE, ENFILE:
                if !refuseOne() { return rest() }
            case ENOBUFS, ENOMEM: return rest()
            // The connection is gone again, or the network has something to say about it (accept(2)): on to the next.
            default: continue
            }
        }
        return false  // the watch is not edge-triggered: who still waits is reported again
    }

    func unwatched() {
        descriptor.close()
        if reserve >= 0 { Glibc.close(reserve) }
        reserve = -1
    }

    private func accept(_ socket: Int32, from remote: SocketAddress?) {
        guard let remote else {
            Glibc.close(socket)
            return
        }
        let stream = TCPStream(socket, on: group.next(), remoteAddress: remote)
        if let handler = accepted(stream) { stream.open(handler) } else { stream.discard() }
    }

    /// Out of descriptors: gives up the reserve to tell one who waits that nobody will come. False if not even that is possible.
    private func refuseOne() -> Bool {
        guard reserve >= 0 else {
            reserve = Self.openReserve()
            return reserve >= 0
        }
        Glibc.close(reserve)
        let socket = descriptor.use { tk_accept($0, nil, nil) } ?? -1
        if socket >= 0 { Glibc.close(socket) }
        reserve = Self.openReserve()
        return socket >= 0
    }

    /// Looks away for a moment, so as not to spin on what cannot be accepted.
    private func rest() -> Bool {
        guard let watch else { return false }
        loop.poller.change(watch.descriptor, to: [], token: watch.token)
        _ = loop.schedule(after: Self.pause) { [self] in
            _ = descriptor.use { loop.poller.change($0, to: .readable, token: watch.token) }
        }
        return false
    }

    private static func openReserve() -> Int32 { Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) }
}
