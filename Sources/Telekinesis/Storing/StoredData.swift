internal import MessagePack
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Bytes that are handed over by reference when there are many of them: stored once, fetched by whoever gets them.
///
/// ```swift
/// distributed func analyse(_ image: StoredData) -> Report
/// try await analyser.analyse(StoredData(bytes))
/// ```
///
/// Up to ``inlineLimit`` bytes simply travel with the message. More are stored in the node's ``ValueStore``, the same content once however often and by
/// whomever it is handed over. A copy of this value has no bytes of its own; as long as one of those is there that have been stored or fetched, the store keeps the
/// content, so that it can be handed on without being stored again.
public struct StoredData: Storable, Hashable {
    /// Up to so many bytes, values travel with the message.
    public static let inlineLimit = 64 * 1024

    private let content: Content

    private final class Content: Sendable {
        let bytes: [UInt8]
        private let state: Mutex<State>

        private struct State {
            var reference: StoredReference?
            /// What the store keeps for this value.
            var kept: Kept?
        }

        init(_ bytes: [UInt8], kept: Kept? = nil) {
            self.bytes = bytes
            state = Mutex(State(reference: kept?.reference, kept: kept))
        }

        var reference: StoredReference? {
            get { state.withLock { $0.reference } }
            set { state.withLock { $0.reference = newValue } }
        }

        func keep(_ kept: Kept) {
            // The one before goes outside of the lock: it lets go of what it kept.
            let before = state.withLock { state in
                defer { state.kept = kept }
                return state.kept
            }
            withExtendedLifetime(before) {}
        }
    }

    /// Content that a store keeps for this node until this goes.
    private final class Kept: Sendable {
        let reference: StoredReference
        private let store: any ValueStore

        init(_ reference: StoredReference, in store: any ValueStore) {
            self.reference = reference
            self.store = store
        }

        deinit { store.release(reference) }
    }

    /// A value of these bytes.
    public init(_ bytes: [UInt8]) { content = Content(bytes) }

    /// The bytes.
    public var bytes: [UInt8] { content.bytes }
    /// How many they are.
    public var count: Int { content.bytes.count }

    /// Whether two values have the same bytes.
    public static func == (one: Self, other: Self) -> Bool { one.content === other.content || one.bytes == other.bytes }

    /// Feeds the bytes to a hasher.
    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

    // MARK: Storing

    /// Stores the bytes in the node's store.
    ///
    /// - Throws: ``TelekinesisError``: what the store throws; `unsupported` without libcrypto.
    public func store() async throws -> StoredReference {
        let store = try StoringScope.required().storage.store
        let reference = try await reference()
        // The store is asked each time: it may have been another one's restart, or long ago.
        try await store.put(content.bytes, as: reference)
        content.keep(Kept(reference, in: store))
        return reference
    }

    /// Fetches bytes from the node's store.
    ///
    /// - Throws: ``TelekinesisError``: what the store throws; `badResult` when the content is not what its digest says.
    public static func fetch(_ reference: StoredReference) async throws -> StoredData {
        let scope = try StoringScope.required()
        try scope.fetching?.reserve(reference.size)
        let store = scope.storage.store
        let bytes = try await store.get(reference)
        let kept = Kept(reference, in: store)
        guard bytes.count == reference.size, try await digest(of: bytes) == reference.digest else {
            try await store.check(reference)
            throw TelekinesisError(
                .badResult, "the content of \(reference.digest.redacted) is damaged: it must be stored again", ran: .no)
        }
        return StoredData(Content(bytes, kept: kept))
    }

    private init(_ content: Content) { self.content = content }

    private func reference() async throws -> StoredReference {
        if let reference = content.reference { return reference }
        let reference = StoredReference(digest: try await Self.digest(of: content.bytes), size: count)
        content.reference = reference
        return reference
    }

    /// Computed on a thread that may be kept busy.
    static func digest(of bytes: [UInt8]) async throws -> ContentDigest {
        try await BlockingPool.shared.run { () throws(TelekinesisError) in try ContentHasher.digest(of: bytes) }
    }
}

extension StoredData: Codable {
    /// Writes few bytes as they are, in any encoder; many can only be written in an argument, a result, or an element of a stream.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` for many bytes anywhere else.
    public func encode(to encoder: any Encoder) throws {
        guard count <= Self.inlineLimit else { return try OutgoingValues.encode(self, to: encoder) }
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }

    /// Reads bytes, or takes those that the message refers to.
    public init(from decoder: any Decoder) throws {
        do {
            self.init(try decoder.singleValueContainer().decode([UInt8].self))
        } catch  where !DecodingError.isOfText(error) {
            self = try FetchedValues.value(Self.self, from: decoder)
        }
    }
}
