/// The random words of both ends that a proof must cover, so that none can be used again.
public struct Challenge: Sendable {
    /// The node's nonce.
    public var node: [UInt8]
    /// The hub's nonce.
    public var hub: [UInt8]

    /// A challenge of two nonces.
    public init(node: [UInt8], hub: [UInt8]) {
        self.node = node
        self.hub = hub
    }
}

/// The hub's side of one way to authenticate.
public protocol Authenticator: Sendable {
    /// The name of the way, as it travels.
    var method: String { get }

    /// Checks a node's proof. It runs as a task on the loop of the connection: it may wait, and one that computes for long loses the loop, as any job.
    ///
    /// - Returns: who the node is, and the hub's own proof.
    /// - Throws: ``TelekinesisError`` with code `unauthenticated`; its message goes to the peer.
    func authenticate(_ proof: [UInt8], for challenge: Challenge) async throws -> Authenticated
}

/// What a successful authentication yields.
public struct Authenticated: Sendable {
    /// Who the node is.
    public var principal: Principal
    /// What shows the node that the hub is the right one; empty where the way has no such thing.
    public var hubProof: [UInt8]

    /// A successful authentication.
    public init(principal: Principal, hubProof: [UInt8] = []) {
        self.principal = principal
        self.hubProof = hubProof
    }
}

/// The node's side of one way to authenticate.
public protocol Credential: Sendable {
    /// The name of the way, as it travels.
    var method: String { get }

    /// The proof to send.
    func proof(for challenge: Challenge) throws -> [UInt8]

    /// Checks the hub's own proof.
    ///
    /// - Throws: ``TelekinesisError`` with code `unauthenticated` when the hub is not the one it should be.
    func check(hubProof: [UInt8], for challenge: Challenge) throws
}

/// Nobody is asked: for hubs that only this machine can reach.
public struct OpenAccess: Authenticator, Credential {
    /// The way of no authentication.
    public init() {}

    /// `open`.
    public var method: String { "open" }

    /// Everybody is ``Principal/anonymous``.
    public func authenticate(_ proof: [UInt8], for challenge: Challenge) -> Authenticated { Authenticated(principal: .anonymous) }

    /// Nothing is proved.
    public func proof(for challenge: Challenge) -> [UInt8] { [] }

    /// Nothing is checked.
    public func check(hubProof: [UInt8], for challenge: Challenge) {}
}
