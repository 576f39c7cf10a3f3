internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// One session's part in serving a name.
final class Provider: Sendable {
    let session: HubSession
    let node: NodeID
    let link: any FrameLink
    /// The key of the object that serves: the callers by name never see it.
    let key: ActorKey
    let entry: NameEntry
    /// Calls that are at it now.
    let outstanding = Atomic<Int>(0)

    init(session: HubSession, node: NodeID, link: any FrameLink, key: ActorKey, entry: NameEntry) {
        self.session = session
        self.node = node
        self.link = link
        self.key = key
        self.entry = entry
    }
}
