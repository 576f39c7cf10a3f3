public import Reactor
internal import Synchronization
public import TelekinesisLink
public import TelekinesisProtocol

/// Where providers and callers meet: knows names, and hands frames from node to node without reading what they carry.
///
/// A hub may be a process of its own (`tk hub`) or live in a provider's: `try await Hub.start()`.
public final class Hub: HubEndpoint {
    let board: Switchboard
    /// The loops on which it works.
    public let eventLoops: EventLoopGroup
    private let listener: Listener?

    private init(board: Switchboard, group: EventLoopGroup, listener: Listener?) {
        self.board = board
        eventLoops = group
        self.listener = listener
    }

    /// A hub that nobody holds ends, as its loops do. Nodes of this process that are connected to it hold it.
    deinit {
        board.isClosing.store(true, ordering: .relaxed)
        listener?.close()
        for session in board.sessions { session.close(Self.hasShutDown) }
    }

    private static let hasShutDown = TelekinesisError(.draining, "the hub has shut down", ran: .maybe)

    /// Starts a hub.
    ///
    /// - Throws: `invalidUse` when it would be open to other machines without being told so; `unreachable` when the address is not to be had.
    public static func start(_ configuration: HubConfiguration = HubConfiguration()) async throws -> Hub {
        let group = try EventLoopGroup(loops: configuration.loops, polling: configuration.polling ? .upTo(nanoseconds: 30_000) : .off) {
            warning in
            configuration.logger.warning(warning)
        }
        return try await start(configuration, on: group)
    }

    static func start(_ configuration: HubConfiguration, on group: EventLoopGroup) async throws -> Hub {
        let board = Switchboard(
            limits: configuration.limits, logger: configuration.logger, authenticator: configuration.authenticator,
            tickets: try tickets(configuration), store: try await store(configuration, on: group))
        let listener = try await Listener.open(configuration, board, group)
        return Hub(board: board, group: group, listener: listener)
    }

    private static func store(_ configuration: HubConfiguration, on group: EventLoopGroup) async throws -> ContentStore? {
        guard configuration.storesValues, MessageAuthentication.isAvailable else { return nil }
        let directory = configuration.storeDirectory ?? configuration.stateDirectory.map { $0 + "/store" }
        return try await ContentStore(
            limits: configuration.limits.store, directory: directory, loop: group.next(), logger: configuration.logger)
    }

    private static func tickets(_ configuration: HubConfiguration) throws -> TicketOffice? {
        guard MessageAuthentication.isAvailable else {
            configuration.logger.warning(
                "no tickets are issued, so node ids do not survive a lost connection: libcrypto.so.3 is missing (apt install libssl3)")
            return nil
        }
        return TicketOffice(key: try configuration.stateDirectory.map { try HubKey.kept(in: $0) } ?? HubKey.random())
    }

    /// The URLs under which nodes reach it; none when it does not listen.
    public var urls: [String] { listener?.urls ?? [] }

    /// The first of ``urls``.
    public var url: String? { urls.first }

    /// What it holds now.
    public var statistics: HubStatistics { board.statistics }

    /// A link for a node of this process; its principal is `local`. Nodes call this themselves: `Node.connect(to: hub)`.
    ///
    /// - Throws: `draining` when the hub is shutting down, `overloaded` when it has its sessions.
    public func join() throws(TelekinesisError) -> LocalLink {
        let session = HubSession(board, loop: EventLoop.current ?? eventLoops.next(), isLocal: true)
        try board.arrive(session)
        // Two ends hold each other until one is closed: there must be somebody who does that.
        let (near, far) = LocalLink.pair()
        far.start(session)
        return near
    }

    /// Shuts down in good order: takes nobody in, lets calls under way finish, then ends.
    ///
    /// First those leave that only call, then those that serve, so that no accepted call loses its provider.
    ///
    /// - Parameter grace: how long all may take.
    public func drain(grace: Duration = .seconds(30)) async {
        board.isClosing.store(true, ordering: .relaxed)
        listener?.close()
        await board.drain(grace: grace, on: eventLoops.next())
        await stop()
    }

    /// Ends at once: every session is told and closed.
    public func stop() async {
        board.isClosing.store(true, ordering: .relaxed)
        listener?.close()
        let sessions = board.sessions
        let departures = board.expectEnd(of: sessions)
        for session in sessions { session.close(Self.hasShutDown) }
        await departures.wait(.seconds(2), on: eventLoops.next())
        await board.store?.close()
        eventLoops.shutdown()
    }
}
