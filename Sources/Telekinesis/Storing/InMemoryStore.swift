internal import Synchronization
public import TelekinesisProtocol

/// A store in the memory of this process: for tests, and for nodes that live in one program. What it is given stays until nobody holds it.
public final class InMemoryStore: ValueStore {
    private struct Item {
        let content: [UInt8]
        var holds = 1
    }

    private let items = Mutex<[ContentDigest: Item]>([:])

    /// An empty store.
    public init() {}

    /// Bytes of all that is in it.
    public var bytes: Int { items.withLock { $0.values.reduce(0) { $0 + $1.content.count } } }

    /// Keeps content until it is released.
    public func put(_ content: [UInt8], as reference: StoredReference) {
        items.withLock { items in
            if items[reference.digest] == nil {
                items[reference.digest] = Item(content: content)
            } else {
                items[reference.digest]?.holds += 1
            }
        }
    }

    /// Yields content, and keeps it until it is released once more.
    ///
    /// - Throws: ``TelekinesisError`` with code `noSuchObject` when it is not there.
    public func get(_ reference: StoredReference) throws -> [UInt8] {
        let content = items.withLock { items in
            items[reference.digest]?.holds += 1
            return items[reference.digest]?.content
        }
        guard let content else {
            throw TelekinesisError(.noSuchObject, "the store does not have the value \(reference.digest.redacted)", ran: .no)
        }
        return content
    }

    /// Lets go of content.
    public func release(_ reference: StoredReference) {
        items.withLock { items in
            guard let item = items[reference.digest] else { return }
            if item.holds == 1 { items[reference.digest] = nil } else { items[reference.digest]?.holds -= 1 }
        }
    }
}
