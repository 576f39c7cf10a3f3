internal import MessagePack
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Another node that this one has to do with, from the first word of it to its end.
final class Acquaintance: Sendable {
    let node: NodeID
    private let known = Mutex<Principal?>(nil)
    private let hasGone = Atomic<Bool>(false)
    /// What methods keep for its connection, by type.
    let states = Mutex<[ObjectIdentifier: any Sendable]>([:])

    init(_ node: NodeID) { self.node = node }

    /// As whom the hub has let it in; `nil` until the hub has said so, which is before its first frame.
    var principal: Principal? {
        get { known.withLock { $0 } }
        set { known.withLock { $0 = newValue } }
    }

    /// Whether it has gone, and with it all that this node held of it. Should it come back under the same id, that is another acquaintance.
    var isGone: Bool { hasGone.load(ordering: .acquiring) }

    func end() {
        hasGone.store(true, ordering: .releasing)
        let old = states.withLock { states in
            defer { states = [:] }
            return states
        }
        // Whatever ends with it ends outside of the lock.
        withExtendedLifetime(old) {}
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
        acquaintance(of: frame.peer).principal = principal
    }

    /// A node has gone.
    func forgetAcquaintance(_ node: NodeID) { acquaintances.withLock { $0.removeValue(forKey: node) }?.end() }

    /// The link is gone, and with it everybody.
    func forgetAcquaintances() {
        let all = acquaintances.withLock { acquaintances in
            defer { acquaintances = [:] }
            return acquaintances.values
        }
        for acquaintance in all { acquaintance.end() }
    }
}
