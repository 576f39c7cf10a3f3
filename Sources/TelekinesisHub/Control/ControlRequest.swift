internal import MessagePack
internal import TelekinesisProtocol

/// The body of a call to the hub itself: the only bodies that the hub reads.
struct ControlRequest {
    let selector: UInt64
    private let arguments: [UInt8]
    private let count: Int

    /// Takes a body apart.
    init(_ body: UnsafeRawBufferPointer, _ flags: CallFlags) throws(TelekinesisError) {
        guard !flags.contains(.more) else {
            throw TelekinesisError(.tooLarge, "a call of the hub's own methods has at most \(FrameHead.maximumBody) bytes", ran: .no)
        }
        let head = try CallBody(parsing: body, flags: flags)
        guard head.encoding == .messagePack else {
            throw TelekinesisError(.unsupported, "the hub's own methods take MessagePack only", ran: .no)
        }
        selector = head.selector
        count = head.argumentCount
        arguments = [UInt8](body[head.argumentsStart...])
    }

    /// The one argument.
    func argument<Argument: Decodable>(_: Argument.Type = Argument.self) throws(TelekinesisError) -> Argument {
        guard count == 1 else { throw TelekinesisError(.badArguments, "the hub's methods take one argument, not \(count)", ran: .no) }
        do {
            return try MessagePackDecoder().decode(Argument.self, from: arguments)
        } catch {
            throw TelekinesisError(.badArguments, "the argument is not a \(Argument.self)", ran: .no, cause: error)
        }
    }
}

/// The result of a method that has none.
struct Nothing: Encodable {
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encodeNil()
    }
}
