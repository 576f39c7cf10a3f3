internal import Synchronization
internal import TelekinesisProtocol

/// Where things that belong to a node find it, without keeping it alive.
final class NodeHome: Sendable {
    private struct State {
        /// Both remove themselves at their end.
        var node: Unretained<Node>?
        var session: Unretained<NodeSession>?
    }

    private let state = Mutex(State())
    /// The node's objects.
    let registry: Registry

    init(registry: Registry) { self.registry = registry }

    /// The node, as long as it is there.
    var node: Node? {
        get { state.withLock { $0.node?.object } }
        set { state.withLock { $0.node = newValue.map { Unretained($0) } } }
    }

    /// Its session, as long as that is there.
    var session: NodeSession? {
        get { state.withLock { $0.session?.object } }
        set { state.withLock { $0.session = newValue.map { Unretained($0) } } }
    }
}
