internal import Synchronization
internal import TelekinesisProtocol

/// What a hub holds at one moment.
public struct HubStatistics: Sendable, Equatable {
    /// Sessions that are open.
    public var sessions = 0
    /// Sessions whose handshake is under way.
    public var arriving = 0
    /// Names that somebody serves, has resolved or waits for.
    public var names = 0
    /// Sessions' parts in serving them.
    public var providers = 0
    /// Route handles.
    public var routes = 0
    /// Routed calls without an answer, those that wait included.
    public var openCalls = 0
    /// Calls that wait for a provider.
    public var waitingCalls = 0
    /// Entries in the sessions' tables of each other: two for each pair that has met.
    public var peers = 0
    /// Objects created through routes and not yet confirmed.
    public var created = 0
    /// Calls that wait to hear what becomes of names and nodes.
    public var watches = 0
    /// Values that the hub keeps for nodes.
    public var storedValues = 0
    /// Their bytes, and those of values on their way.
    public var storedBytes = 0
    /// Places at providers that are held.
    public var reservations = 0
    /// Replies and data for which nobody waited, since the hub started.
    public var lateFrames: UInt64 = 0
    /// Calls by name that were forgotten because no answer had come long after their deadline, since the hub started.
    public var expiredCalls: UInt64 = 0

    /// Those of a hub that holds nothing.
    public init() {}
}

extension Switchboard {
    var statistics: HubStatistics {
        var result = HubStatistics()
        let (names, arriving) = directory.withLock { ($0.names, $0.arriving.count) }
        result.arriving = arriving
        result.names = names.count
        for entry in names.values {
            entry.state.withLock { state in
                result.providers += state.providers.count
                result.reservations += state.seats.count
                result.waitingCalls += state.withWaiting { $0.count }
            }
        }
        for session in sessions {
            session.tables.withLock { tables in
                if tables.principal != nil { result.sessions += 1 }
                result.routes += tables.routes.count
                result.openCalls += tables.open.count
                result.peers += tables.peers.count
                result.created += tables.created.count
                result.watches += tables.watches.count
            }
        }
        if let store { (result.storedValues, result.storedBytes) = store.ledger.withLock { ($0.count, $0.bytes) } }
        result.lateFrames = lateFrames.load(ordering: .relaxed)
        result.expiredCalls = expiredCalls.load(ordering: .relaxed)
        return result
    }
}
