internal import MessagePack
internal import TelekinesisProtocol

/// Replies that the hub itself gives.
enum HubReply {
    /// An error.
    ///
    /// - Parameters:
    ///   - peer: the node that the call was addressed to, so that the caller knows the reply for an answer to it.
    ///   - isRouted: whether the hub itself had sent the call to that node.
    static func error(_ error: TelekinesisError, call: CallID, peer: NodeID, isRouted: Bool = false) -> [UInt8] {
        var body = [Encoding.messagePack.rawValue]
        // Strings always encode; were it not so, an empty body would still end the call.
        body += (try? MessagePackEncoder().encode(WireError(error))) ?? []
        let flags = ReplyFlags.error(ran: error.ran).union(isRouted ? .routed : [])
        return FrameWriter.frame(.reply, flags: flags.rawValue, peer: peer, call: call, body: body)
    }

    /// A value: one frame, and data frames where it is large.
    static func value(_ value: some Encodable, call: CallID) throws(TelekinesisError) -> (reply: [UInt8], data: [[UInt8]]) {
        var body = [Encoding.messagePack.rawValue]
        do {
            body += try MessagePackEncoder().encode(value)
        } catch {
            throw TelekinesisError(.internalError, "the hub's answer could not be encoded", ran: .yes, cause: error)
        }
        guard body.count > FrameHead.maximumBody else { return (FrameWriter.frame(.reply, call: call, body: body), []) }
        let first = FrameWriter.frame(.reply, flags: ReplyFlags.more.rawValue, call: call, body: body[..<FrameHead.maximumBody])
        var transfer = OutgoingTransfer(body, from: FrameHead.maximumBody)
        var data: [[UInt8]] = []
        while let (part, isLast) = transfer.next() {
            data.append(FrameWriter.data(flags: isLast ? [.towardsCaller, .last] : .towardsCaller, peer: .hub, call: call, bytes: part))
        }
        guard transfer.isFinished else {
            throw TelekinesisError(.tooLarge, "the hub's answer is larger than 1 MiB: ask for less at a time", ran: .yes)
        }
        return (first, data)
    }
}
