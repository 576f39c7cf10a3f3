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
            // Whoever takes it out unpins it: the answer, the end of the link, or the end of the session, after which it would stay for ever.
            let old = state.withLock { state in
                if case .stopped = state.phase { return Optional(references) }
                handsOver.store(true, ordering: .relaxed)
                return state.handedOver.updateValue(references, forKey: call.id)
            }
            old?.unpin(in: incoming.registry)
            let outcome = send(frame, count: 1, on: link)
            if outcome != .queued { takeOver(call.id)?.unpin(in: incoming.registry) }
            return outcome
        }
        let receiver = acquaintance(of: call.peer)
        let (shares, count) = try references.give(to: call.peer, in: incoming.registry)
        let outcome = send(shares + frame, count: count + 1, on: link)
        // The end of the receiver has freed what it held by then, but not what is given after it.
        if outcome != .queued || receiver.isGone { references.takeBack(from: call.peer, in: incoming.registry) }
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
        // The hub has introduced the provider before its answer: where nothing is known of it, it has gone since.
        if provider != .hub, let receiver = acquaintances.withLock({ $0[provider] }) {
            do throws(TelekinesisError) {
                let (shares, count) = try references.give(to: provider, in: incoming.registry)
                if count > 0, let link = state.withLock({ $0.phase.link }) {
                    _ = shares.withUnsafeBytes {
                        link.send($0, count: count, lane: .urgent, patch: .none, limit: QueueLimit.replies)
                    }
                }
                if receiver.isGone { references.takeBack(from: provider, in: incoming.registry) }
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
