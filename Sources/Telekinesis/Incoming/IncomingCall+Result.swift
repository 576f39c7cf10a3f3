internal import MessagePack
internal import TelekinesisProtocol

extension IncomingCall {
    /// Registers the object that the method has returned under the key that the caller has chosen, and with which it may have been called already. The
    /// answer then says no more than that.
    ///
    /// - Throws: when the method has returned something else, or an object that is not here.
    func keep(
        under key: ActorKey, _ writer: inout MessagePackWriter, _ references: inout OutgoingReferences?
    ) throws(TelekinesisError) {
        let callee = try Self.object(in: writer.bytes, references)
        owner.registry.settle(key, .success(callee))
        references = nil
        writer = ReplyWriter.start()
        writer.writeNil()
    }

    /// The object that a result is.
    private static func object(in reply: [UInt8], _ references: OutgoingReferences?) throws(TelekinesisError) -> Callee {
        let start = ReplyWriter.prefix + 1
        // The place of an only reference, and nothing else.
        if let entry = references?.entries.first, references?.entries.count == 1, reply.count == start + 1, reply[start] == 0 {
            switch entry {
            case .own(_, let callee):
                if case .object = callee.kind { return callee }
            case .remote(let target): throw elsewhere("\(ActorID(target)) of node \(target.node)")
            }
        }
        var reader = MessagePackReader(reply, in: min(start, reply.count)..<reply.count)
        if let name = try? reader.readString() { throw elsewhere("whatever serves the name “\(name)”") }
        throw TelekinesisError(
            .unsupported, "the method has not returned an object, and calls to one were sent ahead: await its result first", ran: .yes)
    }

    private static func elsewhere(_ object: String) -> TelekinesisError {
        TelekinesisError(
            .unsupported,
            "the method has returned an object that is not at its own node, \(object): calls cannot be sent ahead to that. "
                + "Make this call outside of withPipelining",
            ran: .yes)
    }
}
