internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension IncomingCalls {
    /// Sends what of a reply did not fit into its first frame.
    func sendRest(
        of reply: consuming SplitBytes, from size: Int, to id: IncomingCall.ID, on link: any FrameLink, for call: IncomingCall?
    ) {
        let transfer = reply.tail.map { OutgoingTransfer($0, from: 0) } ?? OutgoingTransfer(reply.bytes, from: size)
        state.withLock { $0.downloads.insert(transfer, id, on: link) }
        // A caller that has given up would take nothing more of it.
        if call?.isCancelled == true {
            endDownload(id, Self.cancelled, in: call?.head.encoding ?? .messagePack, on: link)
            return
        }
        if let call, let deadline = call.deadline { endDownload(id, at: deadline, of: call, on: link) }
        pump(id)
    }

    /// Nobody takes a result after its call's deadline.
    private func endDownload(_ id: IncomingCall.ID, at deadline: UInt64, of call: IncomingCall, on link: any FrameLink) {
        let (now, encoding) = (CallScope.now, call.head.encoding)
        let timer = loop.schedule(after: Int64(clamping: deadline > now ? deadline - now : 0)) { [weak self] in
            self?.endDownload(id, Self.takenTooLate, in: encoding, on: link)
        }
        if !state.withLock({ $0.downloads.set(timer, for: id) }) { timer.cancel() }
    }

    private func endDownload(
        _ id: IncomingCall.ID, _ reason: TelekinesisError, in encoding: Encoding = .messagePack, on link: any FrameLink
    ) {
        guard state.withLock({ $0.downloads.remove(id) }) else { return }
        refuse(id, reason, in: encoding, on: link)
        noteIdle()
    }

    private static let takenTooLate = TelekinesisError(
        .deadlineExceeded, "the caller had not taken all of the result by the call's deadline", ran: .yes)

    static let resultsWait = TelekinesisError(
        .overloaded,
        "large results of earlier calls wait for their callers to take them (`maximumPartialBytes`, `maximumPartialBytesPerCaller`): "
            + "await some first",
        ran: .yes)

    private func pump(_ id: IncomingCall.ID) {
        guard state.withLock({ $0.downloads.begin(id) }) else { return }
        while let (part, link) = state.withLock({ $0.downloads.next(id) }) {
            let flags: ChannelFlags = part.isLast ? [.last, .towardsCaller] : .towardsCaller
            switch link.sendData(part.part, flags: flags, peer: id.source, call: id.call, limit: QueueLimit.data) {
            case .queued where !part.isLast: continue
            case .queued, .closed:
                state.withLock { _ = $0.downloads.remove(id) }
                return noteIdle()
            case .full:
                state.withLock { $0.downloads.putBack(part, id) }
                _ = loop.schedule(after: OutgoingParts.pause) { [weak self] in self?.pump(id) }
                return
            }
        }
    }

    /// The caller takes more of a large result.
    func credit(_ frame: Frame, on link: any FrameLink) {
        let id = IncomingCall.ID(source: frame.peer, call: frame.call)
        state.withLock { $0.downloads.grant(frame.amount, id) }
        pump(id)
    }
}
