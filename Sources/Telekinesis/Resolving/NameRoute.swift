internal import Synchronization
internal import TelekinesisProtocol

/// A name that proxies use, and the handle under which calls name it towards the hub.
///
/// The node chooses the handle, so calls can follow the request to bind it without waiting, and the handle stays the same when the node binds it
/// anew after a reconnect. When the last proxy is gone the handle is given back.
final class NameRoute: Sendable {
    let name: ServiceName
    let handle: UInt32
    /// The request to bind the handle has been sent.
    let isBound = Atomic<Bool>(false)
    private let session: NodeSession

    init(name: ServiceName, handle: UInt32, session: NodeSession) {
        self.name = name
        self.handle = handle
        self.session = session
    }

    deinit { session.unbind(self.name, handle: handle) }
}
