internal import MessagePack
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Another node that this one has to do with, from the first word of it to its end.
final class Acquaintance: Sendable {
    let node: NodeID
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
        acquaintance(of: frame.peer).caller?.principal = principal
    }

    /// The caller that a node is, if it is there.
    func caller(_ node: NodeID) -> Caller? { acquaintances.withLock { $0[node] }?.caller }

    /// A node has gone.
    func forgetAcquaintance(_ node: NodeID) {
        incoming.keepCallers(node)
        acquaintances.withLock { $0.removeValue(forKey: node) }?.end()
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
