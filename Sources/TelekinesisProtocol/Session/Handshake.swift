internal import MessagePack

/// The node's side of the handshake: hello → (hub's hello) → proof → (welcome).
public struct NodeHandshake: Sendable {
    /// What to do after a frame.
    public enum Action: Sendable {
        /// Send this frame.
        case send([UInt8])
        /// The session is open.
        case opened(Welcome)
    }

    private enum State {
        case helloSent
        case proofSent(any Credential, Challenge)
        case finished
    }

    private let hello: NodeHello
    private let credentials: [any Credential]
    private var state = State.helloSent

    /// A handshake about to start.
    ///
    /// - Parameters:
    ///   - hello: the first word; its methods are replaced by those of `credentials`.
    ///   - credentials: ways to authenticate, best first.
    public init(_ hello: NodeHello, credentials: [any Credential]) {
        var hello = hello
        hello.methods = credentials.map(\.method)
        self.hello = hello
        self.credentials = credentials
    }

    /// The first frame.
    public func start() throws -> [UInt8] {
        try Handshake.frame(.hello, hello)
    }

    /// A frame came from the hub.
    ///
    /// - Throws: what the hub says in a bye, or why its words are not acceptable.
    public mutating func receive(_ frame: Frame) throws -> Action {
        switch (frame.type, state) {
        case (.hello, .helloSent):
            let answer = try Handshake.decode(HubHello.self, from: frame)
            guard answer.version == ProtocolVersion.current else {
                throw TelekinesisError(
                    .unsupported, "the hub speaks version \(answer.version) of the protocol, this program \(ProtocolVersion.current)")
            }
            guard let credential = credentials.first(where: { $0.method == answer.method }) else {
                throw TelekinesisError(.unauthenticated, Handshake.advice(for: answer.method))
            }
            guard answer.nonce.count >= Handshake.minimumNonce else {
                throw TelekinesisError(.protocolViolation, "the hub's nonce is too short")
            }
            let challenge = Challenge(node: hello.nonce, hub: answer.nonce)
            let proof = NodeProof(method: credential.method, proof: try credential.proof(for: challenge))
            state = .proofSent(credential, challenge)
            return .send(try Handshake.frame(.proof, proof))
        case (.welcome, .proofSent(let credential, let challenge)):
            let welcome = try Handshake.decode(Welcome.self, from: frame)
            try credential.check(hubProof: welcome.proof, for: challenge)
            state = .finished
            return .opened(welcome)
        case (.bye, _):
            throw try Handshake.goodbye(in: frame, ran: .no)
        default:
            throw TelekinesisError(.protocolViolation, "an unexpected frame during the handshake")
        }
    }
}

/// The hub's side of the handshake. Whatever comes in another order, or before it has ended, is refused.
public struct HubHandshake: Sendable {
    /// What to do after a frame.
    public enum Action: Sendable {
        /// Send this frame.
        case send([UInt8])
        /// Check this proof: if it is good, the handshake is over.
        case authenticate([UInt8], Challenge)
    }

    private enum State {
        case awaitingHello
        case awaitingProof(Challenge)
        case checkingProof
    }

    private let agent: String
    private let nonce: [UInt8]
    private let method: String
    private var state = State.awaitingHello
    /// What the node said of itself; claims, nothing more.
    public private(set) var hello: NodeHello?

    /// A handshake about to start.
    ///
    /// - Parameters:
    ///   - agent: program and version, for people.
    ///   - nonce: at least 16 random bytes, new for this connection.
    ///   - method: the way in which the node is to authenticate.
    public init(agent: String, nonce: [UInt8], method: String) {
        self.agent = agent
        self.nonce = nonce
        self.method = method
    }

    /// A frame came from the node.
    ///
    /// - Throws: ``TelekinesisError`` to say goodbye with.
    public mutating func receive(_ frame: Frame) throws -> Action {
        switch (frame.type, state) {
        case (.hello, .awaitingHello):
            let hello = try Handshake.decode(NodeHello.self, from: frame)
            guard hello.version == ProtocolVersion.current else {
                throw TelekinesisError(
                    .unsupported, "this hub speaks version \(ProtocolVersion.current) of the protocol, not \(hello.version)")
            }
            guard (Handshake.minimumNonce...64).contains(hello.nonce.count) else {
                throw TelekinesisError(.protocolViolation, "a nonce has 16 to 64 bytes")
            }
            guard hello.methods.contains(method) else {
                throw TelekinesisError(.unauthenticated, Handshake.advice(for: method))
            }
            self.hello = hello
            state = .awaitingProof(Challenge(node: hello.nonce, hub: nonce))
            return .send(try Handshake.frame(.hello, HubHello(agent: agent, nonce: nonce, method: method)))
        case (.proof, .awaitingProof(let challenge)):
            let proof = try Handshake.decode(NodeProof.self, from: frame)
            guard proof.method == method else { throw TelekinesisError(.unauthenticated, Handshake.advice(for: method)) }
            state = .checkingProof
            return .authenticate(proof.proof, challenge)
        default:
            throw TelekinesisError(.unauthenticated, "nothing is accepted before authentication is done")
        }
    }
}

/// What both sides of the handshake, and the end of a session, have in common.
public enum Handshake {
    static let minimumNonce = 16

    /// A frame whose body is a message.
    public static func frame(_ type: FrameType, _ message: some Encodable) throws -> [UInt8] {
        FrameWriter.frame(type, body: try MessagePackEncoder().encode(message))
    }

    /// The message in a frame's body.
    ///
    /// - Throws: ``TelekinesisError`` with code `protocolViolation`.
    public static func decode<Message: Decodable>(_ type: Message.Type, from frame: Frame) throws -> Message {
        do {
            return try MessagePackDecoder().decode(type, from: [UInt8](frame.body))
        } catch {
            throw TelekinesisError(.protocolViolation, "a \(Message.self) that cannot be read", ran: .no, cause: error)
        }
    }

    /// The frame that ends a session.
    public static func bye(_ error: TelekinesisError) -> [UInt8] {
        (try? frame(.bye, WireError(error))) ?? FrameWriter.frame(.bye)
    }

    /// What the other end says in a goodbye. It may be a stranger: its words are made short and printable.
    ///
    /// - Throws: ``TelekinesisError`` with code `protocolViolation`.
    public static func goodbye(in frame: Frame, ran: TelekinesisError.Execution) throws -> TelekinesisError {
        var error = try decode(WireError.self, from: frame).error(ran: ran)
        error.message = error.message.sentence
        return error
    }

    static func advice(for method: String) -> String {
        switch method {
        case "secret":
            "the hub wants a shared secret: name its file in TK_SECRET_FILE, to tk with --secret-file, in code as NodeConfiguration.credentials"
        case "open": "the hub is open, but this program insists on a shared secret: check that it is the right hub"
        default: "the hub wants to authenticate with \(method.quoted), which this program does not have"
        }
    }
}
