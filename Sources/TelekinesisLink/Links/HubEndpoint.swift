public import Reactor
public import TelekinesisProtocol

/// A hub in this process that a node can join without a connection.
public protocol HubEndpoint: AnyObject, Sendable {
    /// A new link to the hub. Give it a receiver with ``LocalLink/start(_:)``, then send the hello: the handshake is that of any connection,
    /// with the way `open`, and answered before `send` returns.
    ///
    /// - Throws: `draining` when the hub takes nobody in any more.
    func join() throws(TelekinesisError) -> LocalLink

    /// The loops on which the hub works. A node that joins works there too, so that a call is handed over without a hop.
    var eventLoops: EventLoopGroup { get }
}
