internal import JSONText
internal import MessagePack
internal import TelekinesisProtocol

/// Writes replies: room for the head, the encoding, the value.
enum ReplyWriter {
    static let prefix = FrameHead.size

    static func start() -> MessagePackWriter {
        // The encoding's number is 0, as is the head that is still to be written.
        MessagePackWriter(appendingTo: .zeros(prefix + 1, capacity: 64))
    }

    /// The same in the memory of a reply that has left.
    static func start(in spare: consuming [UInt8]) -> MessagePackWriter {
        guard spare.count > prefix else { return start() }
        spare.removeSubrange((prefix + 1)...)
        spare[prefix] = 0
        return MessagePackWriter(appendingTo: spare)
    }

    /// Writes an error that the runtime found before the method was executed.
    ///
    /// - Parameter encoding: that of the call.
    static func write(
        _ error: TelekinesisError, in encoding: Encoding = .messagePack, into writer: inout MessagePackWriter
    ) -> ReplyFlags {
        defer { if encoding == .json { try? writeAsJSON(&writer) } }
        return write(WireError(error), ran: error.ran, into: &writer)
    }

    /// Makes JSON of a reply that was written.
    ///
    /// - Throws: `badResult` where JSON has nothing for a value.
    @inline(never)
    static func writeAsJSON(_ writer: inout MessagePackWriter) throws(TelekinesisError) {
        let reply = writer.take()
        var text = [UInt8](reply.bytes[...prefix])
        text.reserveCapacity(reply.count * 2)
        text[prefix] = Encoding.json.rawValue
        var reader = reply.reader(from: prefix + 1)
        do {
            try JSONText.fromMessagePack(&reader, into: &text)
        } catch {
            writer = start()
            writer.writeNil()
            throw TelekinesisError(
                .badResult, "the result cannot be written in JSON, as the call was: \(DecodingError.reason(of: error))", ran: .yes,
                cause: error)
        }
        writer = MessagePackWriter(appendingTo: text)
    }

    /// Writes what executing a call threw.
    static func write(thrown error: any Error, into writer: inout MessagePackWriter) -> ReplyFlags {
        if let refusal = error as? Refusal { return write(refusal.error, into: &writer) }
        let (wire, ran) = ThrownErrors.encode(error)
        return write(wire, ran: ran, into: &writer)
    }

    private static func write(_ wire: WireError, ran: TelekinesisError.Execution, into writer: inout MessagePackWriter) -> ReplyFlags {
        try? MessagePackEncoder().encode(wire, into: &writer)
        return .error(ran: ran)
    }
}

extension ReplyWriter {
    /// A whole reply with a value.
    ///
    /// - Parameter encoding: that of the call.
    static func encoded(_ value: some Encodable, in encoding: Encoding) -> SplitBytes {
        var writer = start()
        try? MessagePackEncoder().encode(value, into: &writer)
        if encoding == .json { try? writeAsJSON(&writer) }
        return SplitBytes(writer.bytes)
    }
}
