internal import MessagePack
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Another node that this one has to do with, from the first word of it to its end.
final class Acquaintance: Sendable {
    let node: NodeID
    /// The hub's number of it, which rises from one acquaintance to the next; 0 while the hub has not introduced it.
    fileprivate let number = Atomic<UInt64>(0)
    private let hasGone = Atomic<Bool>(false)
    private let present = Mutex<Caller?>(Caller())

    init(_ node: NodeID) { self.node = node }

    /// It as a caller; `nil` when it has gone. Calls of it that still run keep that.
    var caller: Caller? { present.withLock { $0 } }

    /// Whether it has gone, and with it all that this node held of it. Should it come back under the same id, that is another acquaintance.
    var isGone: Bool { hasGone.load(ordering: .acquiring) }

    func end() {
        hasGone.store(true, ordering: .releasing)
        let old = present.withLock { $0.take() }
        // Whatever ends with it ends outside of the lock.
        withExtendedLifetime(old) {}
    }
}

/// What methods know of a node that calls. It lasts as long as the node's connection, or as the last of its calls.
final class Caller: Sendable {
    private let known = Mutex<Principal?>(nil)
    /// What methods keep for its connection, by type.
    let states = Mutex<[ObjectIdentifier: any Sendable]>([:])

    /// As whom the hub has let it in; `nil` until the hub has said so, which is before its first frame.
    var principal: Principal? {
        get { known.withLock { $0 } }
        set { known.withLock { $0 = newValue } }
    }
}

extension NodeSession {
    /// The acquaintance of a node; made on first need.
    func acquaintance(of node: NodeID) -> Acquaintance {
        acquaintances.withLock { acquaintances in
            if let known = acquaintances[node] { return known }
            let new = Acquaintance(node)
            acquaintances[node] = new
            return new
        }
    }

    /// The hub introduces another node.
    func introduced(_ frame: Frame) throws(TelekinesisError) {
        let principal: Principal
        do {
            principal = try MessagePackDecoder().decode(Principal.self, from: [UInt8](frame.body))
        } catch {
            throw TelekinesisError(.protocolViolation, "an introduction that cannot be read", cause: error)
        }
        let known = acquaintances.withLock { $0[frame.peer] }?.number.load(ordering: .relaxed) ?? 0
        // What it was before has ended, and the word of that is still on its way, or this one has itself been overtaken.
        if known != 0, frame.call > known { peerHasGone(frame.peer, number: known) }
        guard frame.call >= known else { return }
        let acquaintance = acquaintance(of: frame.peer)
        acquaintance.number.store(frame.call, ordering: .relaxed)
        acquaintance.caller?.principal = principal
    }

    /// The caller that a node is, if it is there.
    func caller(_ node: NodeID) -> Caller? { acquaintances.withLock { $0[node] }?.caller }

    /// What the word that a node has gone is about.
    enum Farewell {
        /// The node, as it is known here.
        case present
        /// A node that has never said anything here, nor was told anything.
        case stranger
        /// What the node was before it came back.
        case past
    }

    /// A node has gone.
    ///
    /// - Parameter number: the hub's number of the acquaintance; 0 where there was none.
    func forgetAcquaintance(_ node: NodeID, number: UInt64) -> Farewell {
        let known = acquaintances.withLock { $0[node] }
        let (isIntroduced, last) = (known?.caller?.principal != nil, known?.number.load(ordering: .relaxed) ?? 0)
        guard number >= last else { return .past }
        let isStranger = number == 0 && !isIntroduced
        if !isStranger { incoming.keepCallers(node) }
        acquaintances.withLock { $0.removeValue(forKey: node) }?.end()
        return isStranger ? .stranger : .present
    }

    /// The link is gone, and with it everybody.
    func forgetAcquaintances() {
        incoming.keepCallers()
        let all = acquaintances.withLock { acquaintances in
            defer { acquaintances = [:] }
            return acquaintances.values
        }
        for acquaintance in all { acquaintance.end() }
    }
}
