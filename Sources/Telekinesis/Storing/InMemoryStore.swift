internal import Reactor
internal import Synchronization
public import TelekinesisProtocol

/// A store in the memory of this process: for tests, and for nodes that live in one program. What it is given stays until nobody holds it, and a while
/// longer, since references to it may be under way.
public final class InMemoryStore: ValueStore {
    private struct Item {
        let content: [UInt8]
        var holds = 1
        /// Until when it is kept, where nobody holds it.
        var end: UInt64 = 0
    }

    private struct State {
        var items: [ContentDigest: Item] = [:]
        /// Those that were let go of, the first ones first.
        var released: ArraySlice<(digest: ContentDigest, end: UInt64)> = []

        mutating func sweep(_ now: UInt64) {
            while let first = released.first, first.end <= now {
                released.removeFirst()
                if let item = items[first.digest], item.holds == 0, item.end <= now { items[first.digest] = nil }
            }
        }
    }

    private let state = Mutex(State())
    private let lingering: UInt64

    /// An empty store.
    ///
    /// - Parameter lingering: for how long content is kept that nobody holds any more.
    public init(lingering: Duration = .seconds(60)) { self.lingering = UInt64(max(0, lingering.nanoseconds)) }

    /// Bytes of all that is in it.
    public var bytes: Int {
        state.withLock { state in
            state.sweep(MonotonicClock.now)
            return state.items.values.reduce(0) { $0 + $1.content.count }
        }
    }

    /// Keeps content until it is released.
    public func put(_ content: [UInt8], as reference: StoredReference) {
        state.withLock { state in
            state.sweep(MonotonicClock.now)
            if state.items[reference.digest] == nil {
                state.items[reference.digest] = Item(content: content)
            } else {
                state.items[reference.digest]?.holds += 1
            }
        }
    }

    /// Yields content, and keeps it until it is released once more.
    ///
    /// - Throws: ``TelekinesisError`` with code `noSuchObject` when it is not there.
    public func get(_ reference: StoredReference) throws -> [UInt8] {
        let content = state.withLock { state in
            state.sweep(MonotonicClock.now)
            state.items[reference.digest]?.holds += 1
            return state.items[reference.digest]?.content
        }
        guard let content else {
            throw TelekinesisError(.noSuchObject, "the store does not have the value \(reference.digest.redacted)", ran: .no)
        }
        return content
    }

    /// Lets go of content.
    public func release(_ reference: StoredReference) {
        let now = MonotonicClock.now
        state.withLock { state in
            guard let holds = state.items[reference.digest]?.holds, holds > 0 else { return }
            state.items[reference.digest]?.holds = holds - 1
            if holds == 1 {
                state.items[reference.digest]?.end = now &+ lingering
                state.released.append((reference.digest, now &+ lingering))
            }
            state.sweep(now)
        }
    }
}
