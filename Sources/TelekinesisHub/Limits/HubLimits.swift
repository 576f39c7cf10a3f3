public import TelekinesisLink

/// What one session, or one name, may take of a hub. Whoever goes beyond is told which limit it was.
public struct HubLimits: Sendable {
    /// Sessions at once, those that are not yet authenticated included.
    public var sessions = 100_000
    /// Names that one session may have published.
    public var namesPerSession = 10_000
    /// Names that one session may have resolved.
    public var routesPerSession = 100_000
    /// Calls by name that one session may have in flight.
    public var callsPerSession = 10_000
    /// For how long after its deadline a call by name may still be answered, in nanoseconds; up to ten seconds are added. Then the hub forgets it.
    public var callGrace: UInt64 = 10_000_000_000
    /// Nodes that one session may know.
    public var peersPerSession = 100_000
    /// Objects that one session may have created through routes and not yet confirmed.
    public var createdPerSession = 100_000
    /// Names, prefixes and nodes that one session may watch.
    public var watchesPerSession = 10_000
    /// Places at providers that one session may hold.
    public var reservationsPerSession = 100
    /// The longest time that a place is held without another word from its holder, in milliseconds.
    public var longestLease: UInt32 = 60_000
    /// Calls that may wait for a provider of one name. One session has no more of them than are still free: half of them by itself.
    public var waitingCallsPerName = 2_000
    /// Bytes of such calls, shared in the same way.
    public var waitingBytesPerName = 16 * 1024 * 1024
    /// Bytes of all calls of one session that wait for providers, whatever the name.
    public var waitingBytesPerSession = 64 * 1024 * 1024
    /// Calls of the hub's own methods, by one session.
    public var controlCalls = Rate(perSecond: 1_000, burst: 20_000)
    /// Cancellations by one session.
    public var cancels = Rate(perSecond: 10_000, burst: 20_000)
    /// Calls of one session to objects, routes and nodes that do not exist.
    public var guesses = Rate(perSecond: 1_000, burst: 20_000)
    /// Failed authentications by nodes of one address; who fails more often is refused for a while without being heard, unless it has a ticket. Nodes behind a
    /// proxy on another machine have one address together: allow them more.
    public var failedAuthentications = Rate(perSecond: 0.2, burst: 20)
    /// Addresses whose failed authentications are remembered.
    public var failedAddresses = 20_000
    /// What it keeps of values that are handed over by reference.
    public var store = StoreLimits()
    /// The limits of each connection.
    public var link = LinkLimits()

    /// The default limits.
    public init() {}
}
