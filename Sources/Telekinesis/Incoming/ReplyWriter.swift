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
    static func write(_ error: TelekinesisError, into writer: inout MessagePackWriter) -> ReplyFlags {
        write(WireError(error), ran: error.ran, into: &writer)
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
    static func encoded(_ value: some Encodable) -> SplitBytes {
        var writer = start()
        try? MessagePackEncoder().encode(value, into: &writer)
        return SplitBytes(writer.bytes)
    }
}
