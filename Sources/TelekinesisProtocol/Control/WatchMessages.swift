extension HubService {
    /// `watch`: what is served, or, when something changes, what has changed. Takes ``WatchRequest``, answers ``WatchAnswer``.
    public static let watch = Selector(wireName: "watch(_:)")
}

/// Asks the hub for names or a node, and for what becomes of them. One of ``prefix``, ``name`` and ``node`` is there.
public struct WatchRequest: Codable, Sendable {
    /// All names that start with this; empty for all there are.
    public var prefix: String?
    /// One name.
    public var name: String?
    /// A node: whether it is connected.
    public var node: UInt64?
    /// The number in the answer before: the next one comes when something has changed since. Without it, the answer comes at once.
    public var after: UInt64?
    /// The last name of the page before, when all are asked for that are served.
    public var from: String?

    /// A request about names that start with a prefix.
    public init(prefix: String, after: UInt64? = nil, from: String? = nil) {
        self.prefix = prefix
        self.after = after
        self.from = from
    }

    /// A request about one name.
    public init(name: ServiceName, after: UInt64? = nil) {
        self.name = name.description
        self.after = after
    }

    /// A request about a node.
    public init(node: NodeID, after: UInt64? = nil) {
        self.node = node.rawValue
        self.after = after
    }
}

/// What is served, or what has changed.
public struct WatchAnswer: Codable, Sendable {
    /// What ``WatchRequest/after`` of the next request is to be. Of a node, a number of its connection, 0 while it has none.
    public var number: UInt64
    /// The names: those that are served, in order; or those of which something has changed, as they are now.
    public var names: [WatchedName]
    /// Whether that is all. If not: of what is served, there are more behind the last one; of changes, the hub does not remember all of them, and what
    /// is served is to be asked for anew.
    public var isComplete: Bool

    /// An answer.
    public init(number: UInt64, names: [WatchedName] = [], isComplete: Bool = true) {
        self.number = number
        self.names = names
        self.isComplete = isComplete
    }
}

/// How it came that nobody serves a name any more.
public enum ServiceEnd: String, Codable, Sendable {
    /// Its provider took it back.
    case withdrawn
    /// Its provider lost its connection, or ended.
    case gone
}

/// One name, as it is now.
public struct WatchedName: Codable, Sendable {
    /// The name.
    public var name: String
    /// The number of the change with which its present service began: another number is another service. `nil` when nobody serves it.
    public var service: UInt64?
    /// Of a name that nobody serves: how that came.
    public var end: ServiceEnd?
    /// What it is.
    public var kind: ServiceKind?
    /// How it is shared.
    public var sharing: Sharing?
    /// How many serve it.
    public var providers: Int

    /// A name that is served.
    public init(name: String, service: UInt64, kind: ServiceKind, sharing: Sharing, providers: Int) {
        self.name = name
        self.service = service
        self.kind = kind
        self.sharing = sharing
        self.providers = providers
    }

    /// A name that nobody serves any more.
    public init(name: String, end: ServiceEnd) {
        self.name = name
        self.end = end
        providers = 0
    }
}
