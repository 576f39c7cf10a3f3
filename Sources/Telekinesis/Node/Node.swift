internal import Distributed
internal import Glibc
internal import MessagePack
public import Reactor
internal import Synchronization
public import TelekinesisLink
public import TelekinesisProtocol

/// The actor system of whoever imports Telekinesis: `distributed actor`s need not name it.
public typealias DefaultDistributedActorSystem = Node

/// One program's place in the system: it publishes objects, classes and functions, and calls those of others.
///
/// A node keeps one connection to a hub, opens it again when it is lost, and publishes again what it had published. It is the
/// `DistributedActorSystem` of the actors that are made on it.
///
/// **How long it lives.** A node that only calls ends when nobody holds it any more, and its actors hold it. One that has published something goes on
/// serving, whether the program holds it or not: until ``close()``, ``shutdown()`` or the end of ``run()``, or until its last name is withdrawn.
public final class Node: Sendable {
    /// Where a node looks for the hub when nobody says anything else.
    public static let defaultAddress = "ws://localhost:3388"

    let session: NodeSession
    let group: EventLoopGroup
    /// Where large values are stored that this node hands over, and what it takes of those of others.
    let storage: NodeStorage
    private let connector: Connector
    private let hooks = Mutex<Hooks>(Hooks())

    private struct Hooks {
        var start: [@Sendable () async throws -> Void] = []
        var shutdown: [@Sendable () async -> Void] = []
    }

    private init(_ address: HubAddress, group: EventLoopGroup, configuration: NodeConfiguration) {
        self.group = group
        session = NodeSession(configuration: configuration, loop: group.next())
        connector = Connector(session: session, address: address)
        storage = NodeStorage(session, configuration)
        session.home.node = self
    }

    deinit {
        session.home.node = nil
        connector.stop(TelekinesisError(.cancelled, "the node was released"))
    }

    // MARK: Connecting

    /// Connects to a hub over the network.
    ///
    /// - Parameters:
    ///   - address: a URL such as `ws://localhost:3388`; by default the environment's `TK_HUB`, else ``defaultAddress``.
    ///   - configuration: limits and credentials.
    ///   - loops: event loops to share with other nodes; by default the node has one of its own.
    ///   - patience: for how long to try while the hub cannot be reached, so that programs may be started in any order.
    /// - Throws: ``TelekinesisError``: `unreachable`, or `unauthenticated` when the hub does not let this node in.
    public static func connect(
        to address: String? = nil, configuration: NodeConfiguration? = nil, on loops: EventLoopGroup? = nil,
        waitingUpTo patience: Duration = .seconds(10)
    ) async throws -> Node {
        let settings = try (configuration ?? NodeConfiguration()).completed(secretFile: environment("TK_SECRET_FILE"))
        let group: EventLoopGroup
        do {
            group = try loops ?? EventLoopGroup(loops: 1, polling: settings.polling ? .upTo(nanoseconds: 50_000) : .off)
        } catch {
            throw TelekinesisError(.internalError, "no event loop could be started: \(error)", cause: error)
        }
        let url = try HubAddress(url: address ?? environment("TK_HUB") ?? defaultAddress)
        return try await connect(url, group: group, configuration: settings, patience: patience)
    }

    /// Connects to a hub in this process: calls from elsewhere then take one hop less, and tests need no sockets.
    ///
    /// - Parameters:
    ///   - hub: the hub.
    ///   - configuration: limits.
    /// - Throws: ``TelekinesisError`` when the hub does not let this node in.
    public static func connect(to hub: some HubEndpoint, configuration: NodeConfiguration = NodeConfiguration()) async throws -> Node {
        try await connect(.endpoint(hub), group: hub.eventLoops, configuration: configuration, patience: .zero)
    }

    static func connect(
        _ address: HubAddress, group: EventLoopGroup, configuration: NodeConfiguration, patience: Duration
    ) async throws -> Node {
        let node = Node(address, group: group, configuration: configuration)
        do {
            // The handshake has to be done within seconds, however busy the caller's own threads are.
            try await withTaskExecutorPreference(node.executor) { try await node.connector.start(patience: patience) }
        } catch {
            await node.close()
            throw error
        }
        return node
    }

    /// A task executor on which this node's calls cost least: the loop that reads their answers.
    ///
    /// A caller that makes many calls in turn runs them there: `await withTaskExecutorPreference(node.executor) { … }`.
    public var executor: EventLoop { session.loop }

    /// The id that the hub has given to this node.
    public var id: NodeID { session.nodeID }

    // MARK: Serving

    /// Says what is to be done when ``run()`` begins, before anything else: open a database, publish.
    public func onStart(_ body: @escaping @Sendable () async throws -> Void) { hooks.withLock { $0.start.append(body) } }

    /// Says what is to be done when ``run()`` ends, after the last call has been answered.
    public func onShutdown(_ body: @escaping @Sendable () async -> Void) { hooks.withLock { $0.shutdown.append(body) } }

    /// Serves until the task is cancelled or the process is asked to end (SIGTERM, or SIGINT), then takes the published names back, lets running calls
    /// finish, and closes the connection.
    ///
    /// - Throws: what a start-up hook throws.
    public func run() async throws {
        for hook in hooks.withLock({ $0.start }) { try await hook() }
        try await termination()
        await shutdown()
    }

    /// Waits to be asked to end. After that, signals have their former effect: whoever does not want to wait for the shutdown presses control-C again.
    private func termination() async throws {
        for await _ in try SignalSource.stream(of: [.terminate, .interrupt], on: session.loop) { return }
    }

    /// Takes the published names back, lets running calls finish (for ``NodeConfiguration/drainTime`` at most), and closes the connection.
    public func shutdown() async {
        session.leave()
        let start = session.loop.now
        // Calls by name may be on their way here until the hub says that all have ended: whoever left before would lose them.
        await withDeadline(.after(session.configuration.drainTime)) {
            await withTaskGroup { [session] group in
                for publication in session.publications.all {
                    _ = session.publications.remove(publication.name)
                    let request = WithdrawRequest(name: publication.name, wait: true)
                    group.addTask { _ = try? await session.settle(ControlCall.frame(HubService.withdraw, request)) }
                }
            }
        }
        session.incoming.refuseCalls()
        let elapsed = Duration.nanoseconds(Int64(session.loop.now - start))
        await session.incoming.waitUntilIdle(atMost: max(.zero, session.configuration.drainTime - elapsed))
        let patience = min(session.configuration.drainTime, .seconds(1))
        if await session.incoming.endStreams(atMost: patience) {
            // The hub has handed the ends on before it hears of this node's own, which would overtake them.
            var encoder = CallEncoder()
            let ping = encoder.frame(selector: ObjectService.ping, signature: 0)
            await withDeadline(.after(patience)) { _ = try? await session.settle(ping) }
        }
        for hook in hooks.withLock({ $0.shutdown }) { await hook() }
        await close()
    }

    /// Closes the connection at once. Whatever waits fails, and what was published is no longer held.
    public func close() async {
        connector.stop(TelekinesisError(.cancelled, "the node was closed while the call was under way"))
        session.publications.removeAll()
        // Most hooks speak of the node, and so hold it.
        let hooks = hooks.withLock { hooks in
            defer { hooks = Hooks() }
            return hooks
        }
        withExtendedLifetime(hooks) {}
    }

    // MARK: Words with the hub

    /// Calls a method of the hub.
    func control<Request: Codable & Sendable>(_ selector: Selector, _ request: Request) async throws {
        let reply = try await session.call(ControlCall.frame(selector, request), to: ControlCall.target)
        try reply.throwError()
    }

    /// Calls a method of the hub that answers with a value.
    func control<Request: Codable & Sendable, Answer: Codable>(
        _ selector: Selector, _ request: Request, as: Answer.Type
    ) async throws -> Answer {
        let reply = try await session.call(ControlCall.frame(selector, request), to: ControlCall.target)
        return try reply.decode(Answer.self, on: self)
    }
}

private func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
}
