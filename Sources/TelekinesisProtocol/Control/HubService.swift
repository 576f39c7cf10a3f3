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
    /// `reserve`: holds a place at one provider of a name, and binds a route handle to it that the caller has chosen; again under the same handle, goes
    /// on holding it. Takes ``ReserveRequest``, answers ``ReserveAnswer``. `unbind` gives the place back.
    public static let reserve = Selector(wireName: "reserve(_:)")
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

/// How calls are spread over several providers of one name.
public enum Balancing: String, Codable, Sendable {
    /// To the provider with the fewest calls under way; in turn among equals.
    case leastOutstanding
    /// To each provider in its turn, whatever it has to do.
    case roundRobin
}

/// The only encoding that a provider reads, where it does not read both MessagePack and JSON.
public enum OnlyEncoding: String, Codable, Sendable {
    /// JSON text.
    case json
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
    /// What its callers must write; `nil` means MessagePack or JSON, as they like. All providers of a name say the same.
    public var encoding: OnlyEncoding?
    /// How many calls by this name the provider takes at once, at least 1; `nil` for any number. More of them wait at the hub.
    public var concurrency: Int?
    /// How calls are spread over the providers of the name; `nil` means ``Balancing/leastOutstanding``. What the latest of them says holds.
    public var balancing: Balancing?

    /// A request.
    public init(
        name: ServiceName, key: ActorKey, kind: ServiceKind, sharing: Sharing, encoding: OnlyEncoding? = nil, concurrency: Int? = nil,
        balancing: Balancing? = nil
    ) {
        self.name = name.description
        self.key = [key.low, key.high]
        self.kind = kind
        self.sharing = sharing
        self.encoding = encoding
        self.concurrency = concurrency
        self.balancing = balancing
    }
}

/// Asks the hub to take a name of the caller back.
public struct WithdrawRequest: Codable, Sendable {
    /// The name.
    public var name: String
    /// Whether to answer only when the calls by the name that had been placed at the caller have ended; `nil`: no.
    public var wait: Bool?

    /// A request.
    public init(name: ServiceName, wait: Bool? = nil) {
        self.name = name.description
        self.wait = wait
    }
}

/// Asks the hub to bind a name to a handle.
public struct ResolveRequest: Codable, Sendable {
    /// The name.
    public var name: String
    /// The handle that the caller will use in calls: not 0, and not in use.
    public var route: UInt32
    /// Whether to wait, within the call's deadline, until somebody serves the name.
    public var wait: Bool
    /// FNV-1a-64 of some text: calls under this handle all go to one provider of the name, as long as it is there, and to the same one for the same
    /// number.
    public var sticky: UInt64?

    /// A request.
    public init(name: ServiceName, route: UInt32, wait: Bool, sticky: UInt64? = nil) {
        self.name = name.description
        self.route = route
        self.wait = wait
        self.sticky = sticky
    }
}

/// Asks the hub to hold a place at a provider.
public struct ReserveRequest: Codable, Sendable {
    /// The name.
    public var name: String
    /// The handle that the caller will use in calls: not 0, and not in use; to go on holding a place, that of the place.
    public var route: UInt32
    /// Whether to wait, within the call's deadline, until a place is free.
    public var wait: Bool
    /// For how many milliseconds to hold the place when the caller says nothing more. The hub may choose fewer.
    public var lease: UInt32
    /// Goes on holding what is held under the handle, or fails.
    public var renews: Bool?

    /// A request.
    public init(name: ServiceName, route: UInt32, wait: Bool, lease: UInt32, renews: Bool? = nil) {
        self.name = name.description
        self.route = route
        self.wait = wait
        self.lease = lease
        self.renews = renews
    }
}

/// What is held.
public struct ReserveAnswer: Codable, Sendable {
    /// What the name stands for.
    public var kind: ServiceKind
    /// The node of the provider.
    public var provider: UInt64
    /// For how many milliseconds the place is held from now on.
    public var lease: UInt32
    /// What calls under the handle must be written in; `nil` means MessagePack or JSON.
    public var encoding: OnlyEncoding?

    /// An answer.
    public init(kind: ServiceKind, provider: NodeID, lease: UInt32, encoding: OnlyEncoding? = nil) {
        self.kind = kind
        self.provider = provider.rawValue
        self.lease = lease
        self.encoding = encoding
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
    /// What calls under the handle must be written in; `nil` means MessagePack or JSON.
    public var encoding: OnlyEncoding?

    /// An answer.
    public init(kind: ServiceKind, sharing: Sharing, provider: NodeID?, encoding: OnlyEncoding? = nil) {
        self.kind = kind
        self.sharing = sharing
        self.provider = provider?.rawValue
        self.encoding = encoding
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
    /// What they have to do; `nil` from a hub that does not say.
    public var load: ServiceLoad?

    /// An entry.
    public init(name: String, kind: ServiceKind, sharing: Sharing, providers: Int, load: ServiceLoad? = nil) {
        self.name = name
        self.kind = kind
        self.sharing = sharing
        self.providers = providers
        self.load = load
    }
}

/// What the providers of a name have to do at one moment. Calls on references are not known to the hub, and not among them.
public struct ServiceLoad: Codable, Sendable, Equatable {
    /// Calls by name that are at the providers.
    public var calls: Int
    /// How many all of them take at once; `nil` when one of them takes any number.
    public var places: Int?
    /// Calls that wait at the hub.
    public var waiting: Int
    /// Reservations.
    public var reservations: Int
    /// How calls are spread over the providers.
    public var balancing: Balancing

    /// A load.
    public init(calls: Int, places: Int?, waiting: Int, reservations: Int, balancing: Balancing) {
        self.calls = calls
        self.places = places
        self.waiting = waiting
        self.reservations = reservations
        self.balancing = balancing
    }
}
