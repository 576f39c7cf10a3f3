internal import Synchronization
internal import TelekinesisProtocol

/// A name that proxies use, and the handle under which calls name it towards the hub.
///
/// The node chooses the handle, so calls can follow the request to bind it without waiting, and the handle stays the same when the node binds it
/// anew after a reconnect. When the last proxy is gone the handle is given back.
final class NameRoute: Sendable {
    let name: ServiceName
    let choice: ProviderChoice
    /// What holds the provider, where that is reserved.
    let lease: ReservationLease?
    let handle: UInt32
    /// The request to bind the handle has been sent.
    let isBound = Atomic<Bool>(false)
    /// Whether its providers read JSON only, as the hub has said last.
    let readsOnlyJSON = Atomic<Bool>(false)
    private let session: NodeSession

    init(name: ServiceName, choice: ProviderChoice, lease: ReservationLease? = nil, handle: UInt32, session: NodeSession) {
        self.name = name
        self.choice = choice
        self.lease = lease
        self.handle = handle
        self.session = session
    }

    deinit {
        if let lease { lease.end(.released) } else { session.unbind(self.name, choice, handle: handle) }
    }

    /// Asks the hub to bind the handle.
    ///
    /// - Parameter wait: whether to wait, within the call's deadline, until somebody serves the name.
    func request(wait: Bool) -> ResolveRequest { ResolveRequest(name: name, route: handle, wait: wait, sticky: choice.key) }

    /// The hub says what calls must be written in.
    func resolved(_ encoding: OnlyEncoding?) { readsOnlyJSON.store(encoding == .json, ordering: .relaxed) }
}
