import Testing

@testable import TelekinesisProtocol

@Suite struct HandshakeTests {
    static let nonce = [UInt8](repeating: 3, count: 32)

    static func node(_ credentials: [any Credential] = [OpenAccess()]) -> NodeHandshake {
        NodeHandshake(NodeHello(agent: "test", nonce: nonce, methods: [], ticket: nil, maximumValue: nil), credentials: credentials)
    }

    static func hub(_ method: String = "open") -> HubHandshake {
        HubHandshake(agent: "hub", nonce: [UInt8](repeating: 4, count: 32), method: method)
    }

    @Test func openHandshakeEndsWithAWelcome() throws {
        var node = Self.node()
        var hub = Self.hub()
        guard case .send(let hello) = try look(node.start(), { try hub.receive($0) }) else { return #expect(Bool(false)) }
        guard case .send(let proof) = try look(hello, { try node.receive($0) }) else { return #expect(Bool(false)) }
        guard case .authenticate(let evidence, let challenge) = try look(proof, { try hub.receive($0) }) else {
            return #expect(Bool(false))
        }
        #expect(evidence.isEmpty)
        #expect(challenge.node == Self.nonce)
        let welcome = Welcome(
            node: NodeID(rawValue: 5), principal: .anonymous, ticket: nil, epoch: 1, proof: [], pingInterval: 15, maximumCalls: 10)
        guard case .opened(let received) = try look(Handshake.frame(.welcome, welcome), { try node.receive($0) }) else {
            return #expect(Bool(false))
        }
        #expect(received.node == 5)
    }

    @Test(arguments: [FrameType.call, .reply, .welcome, .proof, .data, .release, .cancel])
    func nothingIsAcceptedBeforeTheHello(_ type: FrameType) throws {
        var hub = Self.hub()
        let error = try #require(throws: TelekinesisError.self) { try look(FrameWriter.frame(type)) { try hub.receive($0) } }
        #expect(error.code == .unauthenticated)
    }

    @Test func aSecondHelloOrProofIsRefused() throws {
        var node = Self.node()
        var hub = Self.hub()
        let first = try node.start()
        guard case .send(let hello) = try look(first, { try hub.receive($0) }) else { return #expect(Bool(false)) }
        #expect(throws: TelekinesisError.self) { try look(first) { try hub.receive($0) } }
        guard case .send(let proof) = try look(hello, { try node.receive($0) }) else { return #expect(Bool(false)) }
        _ = try look(proof) { try hub.receive($0) }
        #expect(throws: TelekinesisError.self) { try look(proof) { try hub.receive($0) } }
    }

    @Test func nodeWithoutTheWantedCredentialLearnsWhatToDo() throws {
        var hub = Self.hub("secret")
        let error = try #require(throws: TelekinesisError.self) { try look(Self.node().start()) { try hub.receive($0) } }
        #expect(error.code == .unauthenticated)
        #expect(error.message.contains("TK_SECRET_FILE"))
    }

    @Test func shortNonceIsRefused() throws {
        var hub = Self.hub()
        var node = NodeHandshake(
            NodeHello(agent: "x", nonce: [1, 2, 3], methods: [], ticket: nil, maximumValue: nil), credentials: [OpenAccess()])
        #expect(throws: TelekinesisError.self) { try look(node.start()) { try hub.receive($0) } }
        node = Self.node()
        let weak = try Handshake.frame(.hello, HubHello(agent: "hub", nonce: [1], method: "open"))
        #expect(throws: TelekinesisError.self) { try look(weak) { try node.receive($0) } }
    }

    @Test func goodbyeDuringTheHandshakeIsThrown() throws {
        var node = Self.node()
        let bye = Handshake.bye(TelekinesisError(.draining, "later"))
        let error = try #require(throws: TelekinesisError.self) { try look(bye) { try node.receive($0) } }
        #expect(error.code == .draining)
        #expect(error.message == "later")
    }

    @Test(arguments: ["demo/counter", "a", "A-b_c.d~e/1/2", String(repeating: "x", count: 256)])
    func goodNamesAreTaken(_ name: String) throws { #expect(try ServiceName(name).description == name) }

    @Test(arguments: [
        "", "/", "/a", "a/", "a//b", "a/../b", ".", "..", "a/.", "a b", "a\nb", "a\u{0}", "ä", "a\u{301}", "а", "*", "a?", "a%2f", "a\\b",
        String(repeating: "x", count: 257), String(repeating: "x", count: 65_536), "a\u{1b}[31m",
    ])
    func badNamesAreRefusedWithoutEcho(_ name: String) throws {
        let error = try #require(throws: TelekinesisError.self) { try ServiceName(name) }
        #expect(error.code == .invalidName)
        #expect(error.message.utf8.count < 400)
        #expect(!error.message.unicodeScalars.contains { $0.value < 32 })
    }
}
