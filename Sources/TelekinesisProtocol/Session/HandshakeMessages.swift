/// The first word of a node.
public struct NodeHello: Codable, Sendable {
    /// The version of the protocol it speaks.
    public var version: Int
    /// Program and version, for people.
    public var agent: String
    /// 16 to 64 random bytes, new for every connection.
    public var nonce: [UInt8]
    /// Ways to authenticate that it has, best first.
    public var methods: [String]
    /// Proof of an earlier session, whose node id it wants again.
    public var ticket: [UInt8]?
    /// Seconds for which it wants to be waited for when the connection is lost. 0 in this version, in which a lost connection is the session's end.
    public var resumeWindow: Int?
    /// The longest value it takes, in bytes, once assembled. For information: the node itself refuses longer ones.
    public var maximumValue: Int?

    /// A hello.
    public init(agent: String, nonce: [UInt8], methods: [String], ticket: [UInt8]?, maximumValue: Int?) {
        version = ProtocolVersion.current
        self.agent = agent
        self.nonce = nonce
        self.methods = methods
        self.ticket = ticket
        resumeWindow = 0
        self.maximumValue = maximumValue
    }
}

/// The first word of the hub.
public struct HubHello: Codable, Sendable {
    /// The version of the protocol it will speak.
    public var version: Int
    /// Program and version, for people.
    public var agent: String
    /// 16 to 64 random bytes, new for every connection.
    public var nonce: [UInt8]
    /// The way in which the node is to authenticate.
    public var method: String

    /// A hello.
    public init(agent: String, nonce: [UInt8], method: String) {
        version = ProtocolVersion.current
        self.agent = agent
        self.nonce = nonce
        self.method = method
    }
}

/// The node proves who it is.
public struct NodeProof: Codable, Sendable {
    /// The way chosen by the hub.
    public var method: String
    /// What that way wants as proof; empty for `open`.
    public var proof: [UInt8]

    /// A proof.
    public init(method: String, proof: [UInt8]) {
        self.method = method
        self.proof = proof
    }
}

/// The hub takes a node in.
public struct Welcome: Codable, Sendable {
    /// The node's id.
    public var node: UInt64
    /// Who the node is taken for.
    public var principal: Principal
    /// To be shown in the next hello, to get the same id again; `nil` where the hub cannot sign.
    public var ticket: [UInt8]?
    /// Seconds for which the ticket is good; the node asks for another one before that. `nil` where that is not known.
    public var ticketLifetime: Double?
    /// Changes whenever the hub has forgotten what it knew.
    public var epoch: UInt64
    /// The hub's own proof; empty for `open`.
    public var proof: [UInt8]
    /// Seconds of silence after which the hub asks whether the node is there. For information: each end has an interval of its own.
    public var pingInterval: Double
    /// Calls by name that the node may have in flight at once; more are answered with `overloaded`.
    public var maximumCalls: Int

    /// A welcome.
    public init(
        node: NodeID, principal: Principal, ticket: [UInt8]?, ticketLifetime: Double? = nil, epoch: UInt64, proof: [UInt8],
        pingInterval: Double, maximumCalls: Int
    ) {
        self.node = node.rawValue
        self.principal = principal
        self.ticket = ticket
        self.ticketLifetime = ticketLifetime
        self.epoch = epoch
        self.proof = proof
        self.pingInterval = pingInterval
        self.maximumCalls = maximumCalls
    }
}

/// Who somebody is taken for.
public struct Principal: Codable, Sendable, Hashable {
    /// The account, or `anonymous`.
    public var name: String
    /// What the account may be asked for; empty until roles exist.
    public var roles: [String]

    /// A principal.
    public init(name: String, roles: [String] = []) {
        self.name = name
        self.roles = roles
    }

    /// Whoever came to an open hub.
    public static let anonymous = Principal(name: "anonymous")
}

/// An error as it travels: in a bye, and as the body of an error reply.
public struct WireError: Codable, Sendable {
    /// The code; an unknown one is read as `internalError`.
    public var code: String
    /// A sentence to act on.
    public var message: String
    /// For an error that a method threw: the name of its type.
    public var type: String?
    /// For an error that can travel as itself: the mangled name of its type.
    public var mangled: String?
    /// For an error that can travel as itself: its MessagePack encoding.
    public var value: [UInt8]?

    /// The most bytes of ``message``; of a longer one, the beginning travels.
    public static let maximumMessage = 8 * 1024
    /// The most bytes of ``type``.
    public static let maximumType = 1024
    /// The most bytes of ``mangled``; an error whose type has a longer name travels as text.
    public static let maximumMangled = 256
    /// The most bytes of ``value``; a larger error travels as text.
    public static let maximumValue = 16 * 1024

    /// The travelling form of an error. With all that may be added to it, it fits into one frame.
    public init(_ error: TelekinesisError) {
        code = error.code.rawValue
        message = Self.beginning(of: error.message, Self.maximumMessage)
        type = (error.cause as? RemoteError).map { Self.beginning(of: $0.typeName, Self.maximumType) }
    }

    private static func beginning(of text: String, _ size: Int) -> String {
        guard text.utf8.count > size else { return text }
        // An index within a character stands for that character's start.
        return text[..<text.utf8.index(text.startIndex, offsetBy: size - 3)] + "…"
    }

    /// The error again.
    ///
    /// - Parameter ran: what the head of the reply says.
    public func error(ran: TelekinesisError.Execution) -> TelekinesisError {
        TelekinesisError(
            .init(rawValue: code) ?? .internalError, message, ran: ran, cause: type.map { RemoteError(typeName: $0, message: message) })
    }
}

/// The protocol's version.
public enum ProtocolVersion {
    /// The one that is spoken here.
    public static let current = 1
    /// The WebSocket subprotocol of the binary form.
    public static let subprotocol = "telekinesis.v1"
}
