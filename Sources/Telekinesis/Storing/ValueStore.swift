public import TelekinesisProtocol

/// Where large values are kept while programs hand references to them to each other.
///
/// By default that is the hub; another store is set in ``NodeConfiguration/store``. Content is addressed by its SHA-256, which the runtime computes before
/// it stores and compares after it has fetched, so a store need not be trusted to return the right bytes.
public protocol ValueStore: Sendable {
    /// Stores content; nothing is to be done when it is there already. It is kept at least until ``release(_:)``, and then long enough for
    /// references that are under way.
    ///
    /// - Parameter reference: its digest and size.
    /// - Throws: ``TelekinesisError``, such as `storeFull`.
    func put(_ content: [UInt8], as reference: StoredReference) async throws
    /// Fetches content. It is kept at least until ``release(_:)``.
    ///
    /// - Throws: ``TelekinesisError`` with code `noSuchObject` when it is not there.
    func get(_ reference: StoredReference) async throws -> [UInt8]
    /// Content that was stored or fetched is not needed here any more; called once for each of these. Does not wait.
    func release(_ reference: StoredReference)
    /// What was fetched is not what its digest says: a store that can should look at it, and remove it if it is damaged.
    func check(_ reference: StoredReference) async throws
}

extension ValueStore {
    /// Stores content and says how to fetch it: what a ``Storable`` of one's own does in its `store()`.
    ///
    /// - Throws: ``TelekinesisError``: what the store throws; `unsupported` without libcrypto.
    public func put(_ content: [UInt8]) async throws -> StoredReference {
        let reference = StoredReference(digest: try await StoredData.digest(of: content), size: content.count)
        try await put(content, as: reference)
        return reference
    }

    /// Does nothing: the store removes what it keeps in ways of its own.
    public func release(_ reference: StoredReference) {}
    /// Does nothing.
    public func check(_ reference: StoredReference) async throws {}
}

extension Node {
    /// The store of this node, of use as long as the node is: the hub's, or the one of its configuration. In `store()` and `fetch(_:)` of a ``Storable`` it is ``CurrentValueStore``.
    public var store: any ValueStore { storage.store }
}

/// The store of the node whose call or result is being made or read.
public enum CurrentValueStore {
    /// The store, in `store()` and `fetch(_:)` of a ``Storable``.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` anywhere else.
    public static var value: any ValueStore {
        get throws { try StoringScope.required().storage.store }
    }
}

/// What the storing and fetching of values needs to know of the message that they are for.
struct StoringScope: Sendable {
    @TaskLocal static var current: StoringScope?

    let storage: NodeStorage
    /// What the message's values take of the room for those; `nil` for one that is sent.
    let fetching: FetchShare?

    init(_ storage: NodeStorage, fetching: FetchShare? = nil) {
        self.storage = storage
        self.fetching = fetching
    }

    static func required() throws(TelekinesisError) -> StoringScope {
        guard let current else {
            throw TelekinesisError(
                .invalidUse, "values are stored and fetched by the runtime, when they are arguments or results; by hand, use node.store")
        }
        return current
    }
}
