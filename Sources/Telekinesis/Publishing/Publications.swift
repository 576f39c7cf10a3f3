internal import Synchronization
internal import TelekinesisProtocol

/// One name under which this node serves something.
final class Publication: Sendable {
    let name: ServiceName
    let key: ActorKey
    let kind: ServiceKind
    let sharing: Sharing
    let serving: Serving
    /// Whose the name is.
    let standing = Atomic<Standing>(.served)
    /// Serves for as long as it has published something, whether or not that needs it, and whether or not the program still holds it.
    private let node: Node

    init(name: ServiceName, key: ActorKey, kind: ServiceKind, sharing: Sharing, serving: Serving, on node: Node) {
        self.node = node
        self.name = name
        self.key = key
        self.kind = kind
        self.sharing = sharing
        self.serving = serving
    }

    var request: PublishRequest {
        PublishRequest(
            name: name, key: key, kind: kind, sharing: sharing, encoding: serving.encoding, concurrency: serving.concurrency,
            balancing: serving.balancing == .leastOutstanding ? nil : serving.balancing)
    }

    /// The request on a later connection: what replaced another provider once does not take the name from the next.
    var renewal: PublishRequest {
        var request = request
        if sharing == .replace { request.sharing = .exclusive }
        return request
    }
}

extension Publication {
    /// Whose a name is that this node has published.
    enum Standing: UInt8, AtomicRepresentable {
        /// This node's, as far as it knows.
        case served
        /// On this connection somebody else was first; this node asks for it again and again.
        case taken
        /// Another node has taken it over, for good.
        case lost
    }

    /// Whether calls by the name that are made on this node are its own object's.
    var isOwn: Bool { standing.load(ordering: .relaxed) == .served }

    /// The hub has said whether the name was free.
    func note(isTaken: Bool) {
        let (before, now) = isTaken ? (Standing.served, Standing.taken) : (.taken, .served)
        _ = standing.compareExchange(expected: before, desired: now, ordering: .relaxed)
    }
}

/// How a provider wants to be called.
struct Serving: Sendable {
    /// How many calls at once; `nil` for any number.
    let concurrency: Int?
    /// How they are spread over the providers of the name.
    let balancing: Balancing
    /// The only encoding that is read, if there is but one.
    let encoding: OnlyEncoding?

    init(_ concurrency: Int?, _ balancing: Balancing, _ encoding: OnlyEncoding?) throws(TelekinesisError) {
        guard concurrency ?? 1 >= 1 else {
            throw TelekinesisError(.invalidUse, "a provider takes at least 1 call at once, not \(concurrency ?? 0)")
        }
        self.concurrency = concurrency
        self.balancing = balancing
        self.encoding = encoding
    }
}

/// What this node has published, to be published again on every new connection.
final class Publications: Sendable {
    private let byName = Mutex<[ServiceName: Publication]>([:])
    /// Asked with every call that is made by name, by nodes most of which publish nothing.
    private let count = Atomic<Int>(0)

    /// Whether nothing is published.
    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }

    /// Notes a publication.
    ///
    /// - Throws: `invalidUse` when this node has published something under the name already.
    func insert(_ publication: Publication) throws(TelekinesisError) {
        let isNew = byName.withLock { byName in
            guard byName[publication.name] == nil else { return false }
            byName[publication.name] = publication
            count.store(byName.count, ordering: .relaxed)
            return true
        }
        guard isNew else {
            throw TelekinesisError(
                .invalidUse, "this node has published something as “\(publication.name)” already: withdraw it first, or choose another name"
            )
        }
    }

    func remove(_ name: ServiceName) -> Publication? {
        byName.withLock { byName in
            defer { count.store(byName.count, ordering: .relaxed) }
            return byName.removeValue(forKey: name)
        }
    }

    func removeAll() {
        let old = byName.withLock { byName in
            defer {
                byName = [:]
                count.store(0, ordering: .relaxed)
            }
            return byName
        }
        // Whatever ends with them ends outside of the lock.
        withExtendedLifetime(old) {}
    }

    func find(_ name: ServiceName) -> Publication? { byName.withLock { $0[name] } }

    func contains(_ publication: Publication) -> Bool { find(publication.name) === publication }

    var all: [Publication] { byName.withLock { Array($0.values) } }

    /// Whether an object is published under any name.
    func contains(_ key: ActorKey) -> Bool { byName.withLock { $0.values.contains { $0.key == key } } }
}
