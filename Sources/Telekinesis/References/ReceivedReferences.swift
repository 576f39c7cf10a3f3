internal import Distributed
internal import Synchronization
internal import TelekinesisProtocol

/// What came with one message. Made as soon as the message arrives, in the order of the frames; whatever nobody took out of it when it goes is
/// given back.
final class ReceivedReferences: Sendable {
    /// One thing that was handed over.
    enum Entry: Sendable {
        /// It is this node's own, and came home.
        case own(ActorKey, Callee)
        /// It is somebody else's.
        case remote(ActorTarget)
        /// It was this node's own, and has ended.
        case ended
    }

    let entries: [Entry]
    /// Where the entry of a key is; made when the first reference is text.
    private let places = Mutex<[ActorKey: Int]?>(nil)

    /// What was handed over under a key.
    func entry(of key: ActorKey) -> Entry? {
        let place = places.withLock { places in
            if let known = places { return known[key] }
            var all: [ActorKey: Int] = [:]
            for (place, entry) in entries.enumerated() {
                switch entry {
                case .own(let key, _): all[key] = place
                case .remote(let target): if let key = target.key { all[key] = place }
                case .ended: break
                }
            }
            places = all
            return all[key]
        }
        return place.map { entries[$0] }
    }

    /// Notes what a message hands over.
    init(_ table: [(node: NodeID, key: ActorKey)], from source: NodeID, to home: NodeHome) {
        let session = home.session
        let me = session?.nodeID ?? .hub
        entries = table.map { node, key in
            let owner = node == .hub ? source : node
            guard owner != me, let session else {
                if case .ready(let callee) = home.registry.callee(key) { return .own(key, callee) }
                return .ended
            }
            return .remote(session.held(key, at: owner))
        }
    }

    /// What a message hands over that never leaves this node.
    init(local outgoing: OutgoingReferences) {
        entries = outgoing.entries.map { entry in
            switch entry {
            case .own(let key, let callee): .own(key, callee)
            case .remote(let target): .remote(target)
            }
        }
    }
}

/// A reference that another node has handed to this one. It is given back when the last proxy is gone.
final class HeldReference: Lease {
    private let key: ActorKey
    private let owner: Acquaintance
    private let session: NodeSession
    /// On which it was handed over.
    private let connection: UInt64

    init(_ key: ActorKey, of owner: Acquaintance, session: NodeSession) {
        self.key = key
        connection = session.connection.load(ordering: .relaxed)
        self.owner = owner
        self.session = session
    }

    var isLost: Bool { session.connection.load(ordering: .relaxed) != connection }

    func end() {
        // With the owner, or with the connection, all that was held has ended.
        if !owner.isGone { session.send(FrameWriter.release(key, of: owner.node, count: 1)) }
    }
}

extension NodeSession {
    /// The target of a reference that was handed to this node.
    func held(_ key: ActorKey, at owner: NodeID) -> ActorTarget {
        let lease = HeldReference(key, of: acquaintance(of: owner), session: self)
        return ActorTarget(.object(key), .remote, node: owner, lease: lease)
    }
}
