public import TelekinesisLink
public import TelekinesisProtocol

/// How a hub behaves.
public struct HubConfiguration: Sendable {
    /// Where it listens: `localhost` is 127.0.0.1 and, where there is one, ::1. `nil`: nowhere; nodes of this process can join.
    public var host: String? = "localhost"
    /// The port; 0 lets the system choose one.
    public var port: UInt16 = 3388
    /// How many event loops it runs; `nil`: one for each processor.
    public var loops: Int?
    /// Whether the loops look for work a while before they sleep: shorter round trips for more work.
    public var polling = false
    /// How nodes show who they are.
    public var authenticator: any Authenticator = OpenAccess()
    /// Whether an open hub may be reachable from other machines.
    public var insecure = false
    /// Origins whose web pages may connect, such as `https://example.org`; by default no page may, not even one of this machine.
    public var allowedOrigins: [String] = []
    /// Names under which it may be addressed, beside ``host`` and those of loopback. Needed behind a proxy, or where a hub for this machine alone has
    /// another name; if any are given, no others are answered.
    public var allowedHosts: [String] = []
    /// What sessions and names may take.
    public var limits = HubLimits()
    /// Where the key of tickets is kept, so that node ids survive a restart; `nil`: it lives as long as the process.
    public var stateDirectory: String?
    /// Whether it keeps large values that nodes hand over by reference.
    public var storesValues = true
    /// Where it keeps them, so that they survive a restart; `nil`: in `store` below ``stateDirectory``, or without that in a temporary directory,
    /// which goes with the hub. No other hub can use the directory meanwhile.
    public var storeDirectory: String?
    /// Where messages go that no error can carry.
    public var logger = LogHandler.standardError

    /// The defaults.
    public init() {}
}
