internal import Synchronization
internal import TelekinesisProtocol

/// A node's store, and how much of what others have stored it takes at once.
final class NodeStorage: Sendable {
    let store: any ValueStore
    private let maximumValue: Int
    private let maximumBytes: Int
    private let fetched = Mutex(0)

    init(_ session: NodeSession, _ configuration: NodeConfiguration) {
        store = configuration.store ?? HubStore(session)
        maximumValue = configuration.maximumStoredValue
        maximumBytes = configuration.maximumFetchedBytes
    }

    /// Sets room aside for content that is about to be fetched.
    ///
    /// - Throws: `tooLarge`, or `overloaded` when calls under way take the room.
    fileprivate func reserve(_ size: Int) throws(TelekinesisError) {
        guard size >= 0, size <= maximumValue else {
            throw TelekinesisError(
                .tooLarge, "a stored value of \(size) bytes: this node takes \(maximumValue) (`maximumStoredValue`)", ran: .no)
        }
        let hasRoom = fetched.withLock { fetched in
            guard fetched + size <= maximumBytes else { return false }
            fetched += size
            return true
        }
        guard hasRoom else {
            throw TelekinesisError(
                .overloaded,
                "\(maximumBytes) bytes of stored values are coming to this node at once (`maximumFetchedBytes`): try again later",
                ran: .no)
        }
    }

    fileprivate func giveBack(_ size: Int) { fetched.withLock { $0 -= size } }

    /// Bytes that are coming.
    var fetchedBytes: Int { fetched.withLock { $0 } }
}

/// The part of that room which the values of one message take: until the call has its answer, or the result was read.
final class FetchShare: Sendable {
    private let storage: NodeStorage
    private let size = Mutex(0)

    init(_ storage: NodeStorage) { self.storage = storage }

    deinit { storage.giveBack(size.withLock { $0 }) }

    /// Sets room aside for one more value.
    ///
    /// - Throws: `tooLarge`, `overloaded`.
    func reserve(_ bytes: Int) throws(TelekinesisError) {
        try storage.reserve(bytes)
        size.withLock { $0 += bytes }
    }
}

extension NodeHome {
    /// The storage of the node.
    ///
    /// - Throws: `cancelled` when the node has gone.
    var storage: NodeStorage {
        get throws(TelekinesisError) {
            guard let node else { throw TelekinesisError(.cancelled, "the node was released", ran: .maybe) }
            return node.storage
        }
    }
}
