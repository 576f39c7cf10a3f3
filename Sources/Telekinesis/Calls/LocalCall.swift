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
        var writer = ReplyWriter.start()
        var flags: ReplyFlags = []
        var results: OutgoingReferences?
        do {
            let head = try CallBody(parsing: body.bytes, flags: references == nil ? [] : .references)
            let table = try MethodTable.of(type(of: object))
            let received = references.map { ReceivedReferences(local: $0) }
            results = try await IncomingCall.execute(
                on: object, table, head: head, body: body, received, on: node.session.home, into: &writer)
        } catch {
            writer = ReplyWriter.start()
            flags = ReplyWriter.write(thrown: error, into: &writer)
        }
        return Reply(
            body: SplitBytes([UInt8](writer.bytes[ReplyWriter.prefix...]), tail: writer.tail), flags: flags, source: node.id,
            references: results.map { ReceivedReferences(local: $0) })
    }
}
