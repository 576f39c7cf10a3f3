/// The methods of the hub that keep values for nodes: see `Design/protocol.md`, §5a. Each takes one argument and answers with one value.
public enum StoreService {
    /// `store.put`: begins to store content. Takes ``StorePut``, answers ``StorePutAnswer``.
    public static let put = Selector(wireName: "store.put(_:)")
    /// `store.write`: a piece of the content. Takes ``StorePiece``, answers `nil` when it is in the file.
    public static let write = Selector(wireName: "store.write(_:)")
    /// `store.finish`: all pieces were written. Takes the number of the upload; answers `nil` when the content is kept, and held by this node.
    public static let finish = Selector(wireName: "store.finish(_:)")
    /// `store.abandon`: the upload is not wanted any more. Takes its number, answers `nil`.
    public static let abandon = Selector(wireName: "store.abandon(_:)")
    /// `store.hold`: keeps content for this node until it is released. Takes the digest, answers its size.
    public static let hold = Selector(wireName: "store.hold(_:)")
    /// `store.read`: a piece of content that this node holds. Takes ``StoreRead``, answers the bytes.
    public static let read = Selector(wireName: "store.read(_:)")
    /// `store.release`: takes one hold back. Takes the digest, answers `nil`.
    public static let release = Selector(wireName: "store.release(_:)")
    /// `store.check`: compares content that this node holds with its digest, and removes it when they differ. Takes the digest, answers whether it is whole.
    public static let check = Selector(wireName: "store.check(_:)")

    /// The most bytes of one piece, either way: it fits into a frame.
    public static let maximumPiece = 60 * 1024
    /// Calls of these methods that one node may have under way at the hub.
    public static let maximumCalls = 128
}

/// Asks the hub to store content.
public struct StorePut: Codable, Sendable {
    /// The digest of all of it.
    public var digest: ContentDigest
    /// Its bytes.
    public var size: Int

    /// A request.
    public init(_ reference: StoredReference) {
        digest = reference.digest
        size = reference.size
    }
}

/// Whether the hub wants the content.
public struct StorePutAnswer: Codable, Sendable {
    /// The number of the upload; `nil`: the hub has the content, and this node holds it now.
    public var upload: UInt64?

    /// An answer.
    public init(upload: UInt64?) { self.upload = upload }
}

/// A piece of content on its way to the hub.
public struct StorePiece: Codable, Sendable {
    /// The number of the upload.
    public var upload: UInt64
    /// Where the piece begins.
    public var offset: Int
    /// At most ``StoreService/maximumPiece`` of them.
    public var bytes: [UInt8]

    /// A piece.
    public init(upload: UInt64, offset: Int, bytes: [UInt8]) {
        self.upload = upload
        self.offset = offset
        self.bytes = bytes
    }
}

/// Asks the hub for a piece of content.
public struct StoreRead: Codable, Sendable {
    /// The digest of all of it.
    public var digest: ContentDigest
    /// Where the piece begins.
    public var offset: Int
    /// How many bytes, at most ``StoreService/maximumPiece``; the last piece may have fewer.
    public var count: Int

    /// A request.
    public init(digest: ContentDigest, offset: Int, count: Int) {
        self.digest = digest
        self.offset = offset
        self.count = count
    }
}
