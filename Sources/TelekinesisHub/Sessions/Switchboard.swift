internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// What a hub's sessions share.
final class Switchboard: Sendable {
    let limits: HubLimits
    let logger: LogHandler
    let agent = "telekinesis-hub-swift"
    /// Changes whenever the hub has forgotten what it knew.
    let epoch = UInt64.random(in: 1...UInt64.max)
    let authenticator: any Authenticator
    let tickets: TicketOffice?
    /// The values that it keeps for nodes; `nil`: none.
    let store: ContentStore?
    let directory = Mutex(Directory())
    /// Who has failed to show who he is.
    let failedAttempts: Mutex<FailedAttempts>
    /// The number of the session taken in last. Starts anywhere: numbers of before a restart mean nothing.
    let sessionNumber = Atomic<UInt64>(.random(in: 1...(1 << 62)))
    /// Nobody is taken in any more.
    let isClosing = Atomic<Bool>(false)
    /// Replies and data for which nobody waited.
    let lateFrames = Atomic<UInt64>(0)
    /// Calls that were forgotten because no answer came.
    let expiredCalls = Atomic<UInt64>(0)
    /// Those who wait for sessions to end.
    let departures = Mutex<[Departures]>([])

    init(
        limits: HubLimits, logger: LogHandler, authenticator: any Authenticator, tickets: TicketOffice?, store: ContentStore? = nil
    ) {
        self.limits = limits
        failedAttempts = Mutex(FailedAttempts(limits.failedAuthentications, limit: max(1, limits.failedAddresses / 2)))
        self.logger = logger
        self.authenticator = authenticator
        self.tickets = tickets
        self.store = store
    }

    /// Whether everybody who reaches the hub is trusted alike.
    var isOpen: Bool { authenticator is OpenAccess }

    // MARK: Sessions

    /// A session begins its handshake.
    func arrive(_ session: HubSession) throws(TelekinesisError) {
        guard !isClosing.load(ordering: .relaxed) else { throw TelekinesisError(.draining, "the hub is shutting down", ran: .no) }
        let hasRoom = directory.withLock { directory in
            guard directory.sessions.count + directory.arriving.count < limits.sessions else { return false }
            directory.arriving.insert(ObjectIdentity(session))
            return true
        }
        guard hasRoom else { throw TelekinesisError(.overloaded, "the hub has its \(limits.sessions) sessions", ran: .no) }
    }

    /// A session was taken in.
    ///
    /// - Returns: another one that had its node id.
    func admit(_ session: HubSession, as node: NodeID) -> HubSession? {
        defer { tellWatchers() }
        return directory.withLock { directory in
            directory.arriving.remove(ObjectIdentity(session))
            defer { directory.changes.nodeChanged(node) }
            return directory.sessions.insert(session, for: node.rawValue)
        }
    }

    /// A session has ended. Another one may have its node id by now.
    func leave(_ session: HubSession, node: NodeID) {
        defer { tellWatchers() }
        directory.withLock { directory in
            directory.arriving.remove(ObjectIdentity(session))
            guard directory.sessions[node.rawValue] === session else { return }
            directory.sessions.remove(node.rawValue)
            directory.changes.nodeChanged(node)
        }
    }

    /// The session of a node.
    func session(of node: NodeID) -> HubSession? { directory.withLock { $0.sessions[node.rawValue] } }

    /// All sessions, those that are still arriving included.
    var sessions: [HubSession] {
        directory.withLock { directory in
            var all = directory.arriving.map(\.object)
            directory.sessions.forEach { all.append($1) }
            return all
        }
    }

    // MARK: Names

    /// The entry of a name, which now has one more route.
    func bind(_ name: ServiceName) -> NameEntry {
        directory.withLock { directory in
            let entry = directory.entry(name)
            entry.state.withLock { $0.bind() }
            return entry
        }
    }

    /// A route is no more, and with it the reservation that it leads to.
    func unbind(_ route: Route) {
        if case .reserved(let seat) = route.wish { endReservation(seat) }
        unbind(route.entry)
    }

    /// A name has one route less.
    func unbind(_ entry: NameEntry) {
        directory.withLock { directory in
            entry.state.withLock { $0.unbind() }
            directory.sweep(entry)
        }
    }

    /// A session wants to serve a name.
    func publish(
        _ name: ServiceName, _ request: PublishRequest, by principal: Principal, now: UInt64, makeProvider: (NameEntry) -> Provider
    ) -> (provider: Provider, outcome: NameState.Publication) {
        defer { tellWatchers() }
        return directory.withLock { directory in
            let entry = directory.entry(name)
            let provider = makeProvider(entry)
            let outcome = entry.state.withLock {
                $0.publish(provider, request, by: principal, now: now) { isOpen || $0 == principal }
            }
            let isAdded = if case .added = outcome { true } else { false }
            directory.providersChanged(entry, hasBegun: isAdded && entry.state.withLock { $0.providers.count == 1 })
            return (provider, outcome)
        }
    }

    /// A provider is no more: what waits goes to the others, or has nobody left to wait for.
    func withdraw(_ provider: Provider, _ end: ServiceEnd = .gone) {
        defer { tellWatchers() }
        directory.withLock { directory in
            provider.entry.remove(provider)
            directory.providersChanged(provider.entry, end)
        }
        releaseWaiting(at: provider.entry)
    }

    /// Something that waited at a name is no more.
    func sweep(_ entry: NameEntry) { directory.withLock { $0.sweep(entry) } }
}
