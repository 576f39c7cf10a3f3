internal import TelekinesisProtocol

/// Asks the hub about the node of an object, and the node about the object.
struct ObjectWatch {
    /// Held, and with it the object.
    private let target: ActorTarget
    /// The connection of the object's node: 0 while it has none, `nil` when that is to be asked for anew.
    private var connection: UInt64?
    /// The last connection on which the object was found.
    private var home: UInt64?
    private var isThere = true
    /// Nothing more can become of the object.
    private(set) var isOver = false

    init(_ target: ActorTarget) { self.target = target }

    /// Asks once.
    nonisolated(nonsending) mutating func look(on node: Node) async throws(TelekinesisError) -> [WatchEvent] {
        let owner = try await owner()
        do throws(TelekinesisError) {
            connection = try await node.look(WatchRequest(node: owner, after: connection)).number
        } catch {
            // With this node's own connection, what it held is void as well.
            connection = nil
            throw error
        }
        guard connection != 0 else { return depart() }
        switch await presence(on: node) {
        case .there:
            defer { (home, isThere) = (connection, true) }
            return isThere && (home == nil || home == connection) ? [] : [event(.back)]
        case .ended:
            isOver = true
            return depart()
        case .unknown(let error):
            connection = nil
            throw error
        }
    }

    private nonisolated(nonsending) func owner() async throws(TelekinesisError) -> NodeID {
        if case .local = target.place {
            throw TelekinesisError(
                .invalidUse, "\(ActorID(target)) is an object of this node, which is there as long as you hold it", ran: .no)
        }
        if target.node == .hub, let instance = target.lease as? RemoteInstance {
            do {
                try await instance.settlement(in: CallScope(isUnlimited: true))
            } catch {
                throw TelekinesisError.thrown(error)
            }
        }
        return target.node
    }

    private mutating func depart() -> [WatchEvent] {
        defer { isThere = false }
        return isThere ? [event(.gone)] : []
    }

    private func event(_ kind: WatchEvent.Kind) -> WatchEvent { WatchEvent(kind, "\(ActorID(target))") }

    private enum Presence {
        case there
        case ended
        case unknown(TelekinesisError)
    }

    /// Whether its node still has the object.
    private nonisolated(nonsending) func presence(on node: Node) async -> Presence {
        var encoder = CallEncoder()
        let frame = encoder.frame(selector: ObjectService.ping, signature: 0)
        do {
            try await CallScope().run { try await node.session.call(frame, to: target).throwError() }
            return .there
        } catch let error as TelekinesisError where error.code == .noSuchObject {
            return .ended
        } catch let error as TelekinesisError where [.disconnected, .moved, .draining, .cancelled, .invalidUse].contains(error.code) {
            return .unknown(error)
        } catch {
            // Somebody is there to complain.
            return .there
        }
    }
}
