internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// What calls of this node hand over, and what their answers bring.
extension NodeSession {
    /// Sends the first frame of a call that hands something over.
    ///
    /// The one that it goes to is noted as a holder, and the owners of what is others' are told in front of the frame. Where only the answer will
    /// tell to whom it went, all is kept callable under the call until then.
    ///
    /// - Throws: `overloaded` when the other node holds too much of this one already; then nothing was sent.
    func handOver(
        _ references: OutgoingReferences, with call: OutgoingCall, on link: any FrameLink
    ) throws(TelekinesisError) -> SendOutcome {
        let frame = call.bytes[..<call.firstFrameSize]
        guard call.peer != .hub else {
            references.pin(in: incoming.registry)
            let before = state.withLock { state in
                handsOver.store(true, ordering: .relaxed)
                return state.handedOver.updateValue(references, forKey: call.id)
            }
            before?.unpin(in: incoming.registry)
            let outcome = send(frame, count: 1, on: link)
            if outcome == .full { takeOver(call.id)?.unpin(in: incoming.registry) }
            return outcome
        }
        let (shares, count) = try references.give(to: call.peer, in: incoming.registry)
        let outcome = send(shares + frame, count: count + 1, on: link)
        if outcome != .queued { references.takeBack(from: call.peer, in: incoming.registry) }
        return outcome
    }

    private func send(_ frames: ArraySlice<UInt8>, count: Int, on link: any FrameLink) -> SendOutcome {
        frames.withUnsafeBytes { link.send($0, count: count, lane: .urgent, patch: .none, limit: QueueLimit.calls) }
    }

    private func send(_ frames: [UInt8], count: Int, on link: any FrameLink) -> SendOutcome { send(frames[...], count: count, on: link) }

    private func takeOver(_ call: CallID) -> OutgoingReferences? {
        guard handsOver.load(ordering: .relaxed) else { return nil }
        return state.withLock { state in
            let references = state.handedOver.removeValue(forKey: call)
            if state.handedOver.isEmpty { handsOver.store(false, ordering: .relaxed) }
            return references
        }
    }

    /// The answer to a call tells to whom it went, also a late one, and also one that only says that the provider has moved.
    func arrived(_ call: CallID, at provider: NodeID) {
        guard let references = takeOver(call) else { return }
        if provider != .hub {
            do throws(TelekinesisError) {
                let (shares, count) = try references.give(to: provider, in: incoming.registry)
                if count > 0, let link = state.withLock({ $0.phase.link }) {
                    _ = shares.withUnsafeBytes {
                        link.send($0, count: count, lane: .urgent, patch: .none, limit: QueueLimit.replies)
                    }
                }
            } catch {
                configuration.logger.warning(
                    "what was handed to a provider is not kept", ["provider": provider.description, "error": error.description])
            }
        }
        references.unpin(in: incoming.registry)
    }

    /// What an answer brings, and the body behind it.
    ///
    /// - Throws: `badResult` when that cannot be read.
    func references(
        in frame: Frame, _ flags: ReplyFlags
    ) throws(TelekinesisError) -> (body: UnsafeRawBufferPointer, received: ReceivedReferences?) {
        guard flags.contains(.references) else { return (frame.body, nil) }
        do throws(TelekinesisError) {
            let (table, end) = try ReferenceTable.parse(frame.body)
            return (UnsafeRawBufferPointer(rebasing: frame.body[end...]), ReceivedReferences(table, from: frame.peer, to: home))
        } catch {
            throw TelekinesisError(.badResult, "the answer cannot be read: \(error.message)", ran: flags.ran ?? .yes, cause: error)
        }
    }
}
