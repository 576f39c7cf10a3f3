internal import JSONText
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
        guard flags.contains(.isError), let content = try? content() else { return nil }
        var reader = content.reader
        return try? MessagePackDecoder(origin: content.origin).decode(WireError.self, from: &reader)
    }

    /// The value in it, to be read.
    private func content() throws -> (reader: MessagePackReader, origin: MessagePackDecoder.Origin) {
        if body.bytes.first == Encoding.messagePack.rawValue { return (body.reader(from: 1), .native) }
        return (try contentOfText(), .json)
    }

    @inline(never)
    private func contentOfText() throws -> MessagePackReader {
        guard body.bytes.first == Encoding.json.rawValue else {
            throw TelekinesisError(.badResult, "the result is in an encoding that is not known here", ran: .yes)
        }
        return MessagePackReader(try JSONText.toMessagePack(body.joined, in: 1..<body.count))
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
    func decode<Value: Decodable>(_ type: Value.Type, on node: Node) throws -> Value { try decode(type, on: node, nil) }

    /// Fetches what the value needs, and reads it.
    ///
    /// - Throws: `badResult`, or the code of the store, when it cannot be fetched.
    @usableFromInline
    nonisolated(nonsending) func decode<Value: Decodable>(_ type: Value.Type, on node: Node, fetching needed: FetchNeeded) async throws
        -> Value
    {
        var (needed, fetched) = (needed, FetchedValues?.none)
        for _ in 0..<FetchNeeded.maximumPasses {
            fetched = try await needed.fetch(into: fetched, on: node.session.home, ran: .yes)
            do {
                return try decode(type, on: node, fetched)
            } catch let next as FetchNeeded {
                needed = next
            }
        }
        throw FetchNeeded.tooManyKinds(ran: .yes)
    }

    private func decode<Value: Decodable>(_ type: Value.Type, on node: Node, _ fetched: FetchedValues?) throws -> Value {
        try throwError()
        var (reader, encoding): (MessagePackReader, MessagePackDecoder.Origin)
        do {
            (reader, encoding) = try content()
        } catch {
            throw unreadable(type, error)
        }
        let start = reader.position
        var scope = CodingScope(
            reading: references, origin: origin, home: .passUnretained(node.session.home), fetched: fetched, takesValues: true,
            asText: encoding == .json)
        do {
            let value = try scope.run {
                try MessagePackDecoder(origin: encoding, userInfo: CodingScope.userInfo).decode(type, from: &reader)
            }
            guard let request = scope.needed else { return value }
            throw needed(request, reader.bytes, from: start)
        } catch {
            throw scope.needed.map { needed($0, reader.bytes, from: start) } ?? unreadable(type, error)
        }
    }

    private func unreadable(_ type: any Any.Type, _ error: any Error) -> TelekinesisError {
        TelekinesisError(
            .badResult, "the result cannot be read as \(type): \(DecodingError.reason(of: error))", ran: .yes, cause: error)
    }

    /// A value of the hub's own, which has no references.
    ///
    /// - Throws: the error in the reply; `badResult`.
    func plainValue<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try throwError()
        do {
            let bytes = body.joined
            var reader = MessagePackReader(bytes, in: min(1, bytes.count)..<bytes.count)
            return try MessagePackDecoder().decode(type, from: &reader)
        } catch {
            throw TelekinesisError(
                .badResult, "the hub's answer cannot be read as \(type): \(DecodingError.reason(of: error))", ran: .yes, cause: error)
        }
    }

    private func needed(_ request: FetchRequest, _ message: [UInt8], from start: Int) -> FetchNeeded {
        FetchNeeded(request: request, argument: nil, message: message, start: start)
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
