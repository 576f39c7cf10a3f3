internal import Distributed
internal import Synchronization
internal import TelekinesisProtocol

/// The id of a distributed actor of a ``Node``.
///
/// An id is either an object's own key or a name. Two ids are equal when they mean the same object or the same name; where the object lives now
/// takes no part in that. An id also keeps alive what it stands for: when the last proxy and the last copy of its id are gone, the provider is told.
public struct ActorID: Hashable, Sendable {
    let target: ActorTarget

    init(_ target: ActorTarget) { self.target = target }

    /// Whether two ids mean the same object or name.
    public static func == (one: ActorID, other: ActorID) -> Bool {
        one.target === other.target || one.target.address == other.target.address
    }

    /// Adds the key or the name.
    public func hash(into hasher: inout Hasher) { hasher.combine(target.address) }
}

extension ActorID: CustomStringConvertible {
    /// The name, or a short hash of the key: keys are secret.
    public var description: String {
        switch target.address {
        case .object(let key): key.redacted
        case .name(let name): name
        }
    }
}

/// What an ``ActorID`` stands for, shared by all its copies; its end is the end of the last of them.
final class ActorTarget: Sendable {
    enum Address: Hashable, Sendable {
        case object(ActorKey)
        case name(String)
    }

    enum Place: Sendable {
        /// An object of this very process.
        case local
        /// An object somewhere else; the node is 0 as long as only the hub knows.
        case remote
        /// Whatever serves a name.
        case route(NameRoute)
        /// The provider of a name that is reserved.
        case reserved(NameRoute)
    }

    let address: Address
    let place: Place
    private let nodeBits: Atomic<UInt64>
    private let isOnlyJSON = Atomic<Bool>(false)
    let lease: (any Lease)?
    private let isReleased = Atomic<Bool>(false)
    /// Whether interceptors see its calls: not those that the runtime makes itself.
    let isIntercepted: Bool

    init(_ address: Address, _ place: Place, node: NodeID = .hub, lease: (any Lease)? = nil, isIntercepted: Bool = true) {
        self.address = address
        self.isIntercepted = isIntercepted
        self.place = place
        self.lease = lease
        nodeBits = Atomic(node.rawValue)
    }

    deinit { release() }

    /// Gives back what it is for, once.
    func release() {
        guard let lease, !isReleased.exchange(true, ordering: .acquiringAndReleasing) else { return }
        lease.end()
    }

    /// Where a remote object is.
    var node: NodeID {
        get { NodeID(rawValue: nodeBits.load(ordering: .relaxed)) }
        set { nodeBits.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Whether calls must be JSON, as far as is known here.
    var readsOnlyJSON: Bool {
        get {
            switch place {
            case .local, .remote: isOnlyJSON.load(ordering: .relaxed)
            case .route(let route), .reserved(let route): route.readsOnlyJSON.load(ordering: .relaxed)
            }
        }
        set { isOnlyJSON.store(newValue, ordering: .relaxed) }
    }

    /// Whether it can be an object of this process.
    var mayBeHere: Bool {
        switch place {
        case .local, .route: true
        case .remote, .reserved: false
        }
    }

    /// Whether its place is known, and the object is there as far as this node knows.
    var isSettled: Bool { node != .hub && lease?.isSettled ?? true }

    /// The key of an object; `nil` for a name.
    var key: ActorKey? {
        if case .object(let key) = address { key } else { nil }
    }
}

extension ActorID {
    /// The id of an object of this node for a proxy: as long as somebody holds that, the object lives.
    init(holding actor: any DistributedActor) throws {
        guard let id = actor.id as? ActorID, case .local = id.target.place else {
            throw TelekinesisError(.invalidUse, "\(actor.id) is no object of this node")
        }
        self.init(ActorTarget(id.target.address, .local, lease: OwnObject(actor)))
    }
}

/// Keeps an object of this node alive for its proxies.
private final class OwnObject: Lease {
    private let actor: any DistributedActor

    init(_ actor: any DistributedActor) { self.actor = actor }

    func end() {}
}

/// What is to be given back when nobody holds a proxy any more.
protocol Lease: Sendable {
    func end()
    /// Whether what it is for is there, rather than still being made.
    var isSettled: Bool { get }
    /// Whether it ended with a connection of this node that has been lost.
    var isLost: Bool { get }
}

extension Lease {
    var isSettled: Bool { true }
    var isLost: Bool { false }
}
