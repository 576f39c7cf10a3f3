internal import Distributed
internal import MessagePack
internal import TelekinesisProtocol

/// Calls on an object of the same node that were made through a stub or a name: they never leave the process.
enum LocalCall {
    /// Executes the call whose frame is `frame`, and yields what would have come as the reply.
    static func invoke(
        _ object: any DistributedActor, _ frame: SplitBytes, _ references: OutgoingReferences?, on node: Node
    ) async throws -> Reply {
        let body = SplitBytes([UInt8](frame.bytes[FrameType.call.headSize...]), tail: frame.tail)
        var reply = ReplySink(ReplyWriter.start(), on: node.session.home)
        var flags: ReplyFlags = []
        do {
            let head = try CallBody(parsing: body.bytes, flags: references == nil ? [] : .references)
            let table = try MethodTable.of(type(of: object))
            let received = references.map { ReceivedReferences(local: $0) }
            try await IncomingCall.execute(on: object, table, head: head, body: body, received, on: node.session.home, into: &reply)
        } catch {
            reply = ReplySink(ReplyWriter.start(), on: node.session.home)
            flags = ReplyWriter.write(thrown: error, into: &reply.writer)
        }
        return Reply(
            body: SplitBytes([UInt8](reply.writer.bytes[ReplyWriter.prefix...]), tail: reply.writer.tail), flags: flags, source: node.id,
            references: reply.references.map { ReceivedReferences(local: $0) })
    }
}
