internal import MessagePack
internal import TelekinesisProtocol

/// An answer as it came.
@usableFromInline
struct Reply: Sendable {
    /// Encoding byte and value.
    var body: SplitBytes
    /// Whether the value is an error, and whether the method ran.
    var flags: ReplyFlags
    /// The node that answered.
    var source: NodeID
    /// The objects, functions and streams in it.
    var references: ReceivedReferences?
    /// What was called, where there are such references: some of them keep it alive.
    var origin: ActorTarget?
}

extension Reply {
    /// The error in it, as it travelled.
    private var wireError: WireError? {
        guard flags.contains(.isError), body.bytes.first == Encoding.messagePack.rawValue else { return nil }
        var reader = body.reader(from: 1)
        return try? MessagePackDecoder().decode(WireError.self, from: &reader)
    }

    /// The error in it.
    var error: TelekinesisError {
        wireError?.error(ran: flags.ran ?? .maybe)
            ?? TelekinesisError(.protocolViolation, "an error reply that cannot be read", ran: flags.ran ?? .maybe)
    }

    /// Whether the provider no longer serves what was called.
    var isMoved: Bool { wireError?.code == TelekinesisError.Code.moved.rawValue }

    /// The value in it.
    ///
    /// - Throws: the error in it: the method's own where its type is known here, else ``TelekinesisError``.
    @usableFromInline
    func decode<Value: Decodable>(_ type: Value.Type, on node: Node) throws -> Value {
        try throwError()
        guard body.bytes.first == Encoding.messagePack.rawValue else {
            throw TelekinesisError(.badResult, "the result is in an encoding that is not known here", ran: .yes)
        }
        do {
            var reader = body.reader(from: 1)
            var scope = CodingScope(reading: references, origin: origin, home: .passUnretained(node.session.home))
            return try scope.run { try MessagePackDecoder(userInfo: CodingScope.userInfo).decode(type, from: &reader) }
        } catch {
            throw TelekinesisError(.badResult, "the result cannot be read as \(type): \(error)", ran: .yes, cause: error)
        }
    }

    /// Throws the error in it, if it is one.
    @usableFromInline
    func throwError() throws {
        guard flags.contains(.isError) else { return }
        if let wire = wireError, let thrown = ThrownErrors.decode(wire, decoder: MessagePackDecoder()) { throw thrown }
        throw error
    }
}

extension SplitBytes {
    /// Reads the values that begin at `start`.
    func reader(from start: Int) -> MessagePackReader { MessagePackReader(bytes, from: start, tail: tail) }
}
