/// The methods of the hub: the object with key 0 at node 0. Each takes one argument and answers with one value.
public enum HubService {
    /// `publish`: makes an object callable under a name. Takes ``PublishRequest``, answers `nil`.
    public static let publish = Selector(wireName: "publish(_:)")
    /// `withdraw`: takes a name back. Takes ``WithdrawRequest``, answers `nil`.
    public static let withdraw = Selector(wireName: "withdraw(_:)")
    /// `resolve`: binds a name to a route handle that the caller has chosen. Takes ``ResolveRequest``, answers ``ResolveAnswer``.
    public static let resolve = Selector(wireName: "resolve(_:)")
    /// `list`: the names below a prefix. Takes ``ListRequest``, answers an array of ``ListedName``.
    public static let list = Selector(wireName: "list(_:)")
    /// `unbind`: gives a route handle back. Takes the handle, answers `nil`.
    public static let unbind = Selector(wireName: "unbind(_:)")
    /// `renewTicket`: gives a ticket in place of the one that the node has. Takes `nil`, answers ``TicketAnswer``.
    public static let renewTicket = Selector(wireName: "renewTicket(_:)")
}

/// The methods that every published object has beside its own: they are answered by its node.
public enum ObjectService {
    /// `describe`: the signatures, as ``ServiceDescription``.
    public static let describe = Selector(wireName: "$describe()")
    /// `create`: makes an instance of a published class, under the key that the call gives for its result.
    public static let create = Selector(wireName: "$create")
    /// `call`: calls a published function.
    public static let function = Selector(wireName: "$call")
    /// `open`: begins to send the elements of a stream; its argument says how many bytes the caller takes to begin with.
    public static let open = Selector(wireName: "$open")
    /// `ping`: answers `nil` without touching the object.
    public static let ping = Selector(wireName: "$ping()")
}

/// What kind of thing a name stands for.
public enum ServiceKind: String, Codable, Sendable {
    /// An object that everybody shares.
    case object
    /// A class: each caller makes instances of its own.
    case `class`
    /// A function.
    case function
}

/// How several providers may share a name.
public enum Sharing: String, Codable, Sendable {
    /// One provider at a time; a second one is refused.
    case exclusive
    /// Any number of providers; calls are balanced.
    case shared
    /// Takes the name from whoever of the same principal holds it (at an open hub: from anybody), and holds it exclusively.
    case replace
}

/// Asks the hub to publish an object of the caller.
public struct PublishRequest: Codable, Sendable {
    /// The name.
    public var name: String
    /// The object's key, both halves.
    public var key: [UInt64]
    /// What it is.
    public var kind: ServiceKind
    /// How the name is shared.
    public var sharing: Sharing
    /// Encodings that its provider reads; `nil` means all. Reserved: the hub does not look at it yet.
    public var encodings: [Encoding]?

    /// A request.
    public init(name: ServiceName, key: ActorKey, kind: ServiceKind, sharing: Sharing) {
        self.name = name.description
        self.key = [key.low, key.high]
        self.kind = kind
        self.sharing = sharing
    }
}

/// Asks the hub to take a name of the caller back.
public struct WithdrawRequest: Codable, Sendable {
    /// The name.
    public var name: String

    /// A request.
    public init(name: ServiceName) { self.name = name.description }
}

/// Asks the hub to bind a name to a handle.
public struct ResolveRequest: Codable, Sendable {
    /// The name.
    public var name: String
    /// The handle that the caller will use in calls: not 0, and not in use.
    public var route: UInt32
    /// Whether to wait, within the call's deadline, until somebody serves the name.
    public var wait: Bool

    /// A request.
    public init(name: ServiceName, route: UInt32, wait: Bool) {
        self.name = name.description
        self.route = route
        self.wait = wait
    }
}

/// What a name turned out to be.
public struct ResolveAnswer: Codable, Sendable {
    /// What it is.
    public var kind: ServiceKind
    /// How it is shared.
    public var sharing: Sharing
    /// The node of an exclusive name's provider.
    public var provider: UInt64?
    /// Encodings that all its providers read; `nil` means all. Reserved: always `nil` for now.
    public var encodings: [Encoding]?

    /// An answer.
    public init(kind: ServiceKind, sharing: Sharing, provider: NodeID?) {
        self.kind = kind
        self.sharing = sharing
        self.provider = provider?.rawValue
    }
}

/// A ticket in place of an earlier one.
public struct TicketAnswer: Codable, Sendable {
    /// To be shown in the next hello; `nil` where the hub cannot sign.
    public var ticket: [UInt8]?

    /// An answer.
    public init(ticket: [UInt8]?) { self.ticket = ticket }
}

/// Asks the hub for names.
public struct ListRequest: Codable, Sendable {
    /// What the names start with; empty for all.
    public var prefix: String
    /// At most this many.
    public var limit: Int
    /// Only names after this one: the last of the page before.
    public var after: String?

    /// A request.
    public init(prefix: String = "", limit: Int = 1000, after: String? = nil) {
        self.prefix = prefix
        self.limit = limit
        self.after = after
    }
}

/// One name in a list.
public struct ListedName: Codable, Sendable {
    /// The name.
    public var name: String
    /// What it is.
    public var kind: ServiceKind
    /// How it is shared.
    public var sharing: Sharing
    /// How many serve it now.
    public var providers: Int

    /// An entry.
    public init(name: String, kind: ServiceKind, sharing: Sharing, providers: Int) {
        self.name = name
        self.kind = kind
        self.sharing = sharing
        self.providers = providers
    }
}
