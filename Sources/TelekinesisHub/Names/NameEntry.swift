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

    /// Somebody will soon see to those who wait.
    let isAttended = Atomic<Bool>(false)

    /// A provider, or the one at which a place is held, is no more.
    func remove(_ provider: Provider) { state.withLock { $0.remove(provider.whole ?? provider) } }

    /// What callers are told when nobody serves the name.
    func absence() -> TelekinesisError {
        state.withLock { $0.wasServed }
            ? TelekinesisError(.noProvider, "nobody serves “\(name)” now", ran: .no)
            : TelekinesisError(.noSuchName, "nothing is published as “\(name)”: see `tk ls`", ran: .no)
    }

    /// What those are told who have waited until their deadline.
    func lateness() -> TelekinesisError {
        let count = state.withLock { $0.providers.count }
        let what =
            switch count {
            case 0: "nobody served “\(name)”"
            case 1: "the provider of “\(name)” was busy or reserved"
            default: "the \(count) providers of “\(name)” were busy or reserved"
            }
        return TelekinesisError(.deadlineExceeded, "\(what) until the deadline", ran: .no)
    }

    /// Whether somebody serves it.
    var isServed: Bool { state.withLock { !$0.providers.isEmpty } }

    /// What those are told who do not wait for a place.
    func allBusy() -> TelekinesisError {
        TelekinesisError(.overloaded, "all providers of “\(name)” are busy or reserved: wait for one, or try again later", ran: .no)
    }

    /// What those are told who wait in vain.
    func error(_ reason: NameState.Hopelessness) -> TelekinesisError {
        switch reason {
        case .nobody: absence()
        case .reservationEnded:
            TelekinesisError(
                .noProvider, "the reservation of “\(name)” has ended: its time was over, or its provider has gone; reserve again", ran: .no)
        }
    }

    /// What a name turned out to be; `nil` while nobody serves it.
    func answer() -> ResolveAnswer? {
        state.withLock { state in
            guard let service = state.service, let first = state.providers.first else { return nil }
            return ResolveAnswer(
                kind: service.kind, sharing: service.sharing, provider: service.sharing == .exclusive ? first.node : nil,
                encoding: service.encoding)
        }
    }
}
