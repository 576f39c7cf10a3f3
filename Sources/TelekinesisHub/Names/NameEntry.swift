internal import Synchronization
internal import TelekinesisProtocol

/// A name that somebody serves, has resolved, or waits for.
///
/// Its lock is a leaf: it may be taken inside the directory's lock or a session's, and nothing is taken inside it.
final class NameEntry: Sendable {
    let name: ServiceName
    let state = Mutex(NameState())
    /// The number of the change with which its present service began; 0 while nobody serves it. Written under the directory's lock.
    let service = Atomic<UInt64>(0)

    init(_ name: ServiceName) { self.name = name }

    var text: String { name.description }

    /// One that serves the name, and is least busy.
    func pick() -> Provider? { state.withLock { $0.pick() } }

    /// A provider is no more.
    func remove(_ provider: Provider) { state.withLock { $0.remove(provider) } }

    /// What callers are told when nobody serves the name.
    func absence() -> TelekinesisError {
        state.withLock { $0.wasServed }
            ? TelekinesisError(.noProvider, "nobody serves “\(name)” now", ran: .no)
            : TelekinesisError(.noSuchName, "nothing is published as “\(name)”: see `tk ls`", ran: .no)
    }

    /// What a name turned out to be; `nil` while nobody serves it.
    func answer() -> ResolveAnswer? {
        state.withLock { state in
            guard let service = state.service, let first = state.providers.first else { return nil }
            return ResolveAnswer(
                kind: service.kind, sharing: service.sharing, provider: service.sharing == .exclusive ? first.node : nil)
        }
    }
}
