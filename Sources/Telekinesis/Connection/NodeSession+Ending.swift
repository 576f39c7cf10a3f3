internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension NodeSession {
    // MARK: Answers

    /// An answer came. One that cannot be read ends its call, and nothing else: any node may say that it is one.
    func reply(_ frame: Frame, on link: any FrameLink) {
        let flags = ReplyFlags(rawValue: frame.flags)
        let source = frame.peer
        let id = frame.call
        if source == .hub || flags.contains(.routed) { arrived(id, at: source) }
        // Whoever is not to have them gives them back.
        let body: UnsafeRawBufferPointer
        let received: ReceivedReferences?
        do throws(TelekinesisError) {
            (body, received) = try references(in: frame, flags)
        } catch {
            guard let entry = state.withLock({ $0.pending.reply(to: id, from: source, flags) }) else { return }
            return entry.completion.resume(.failure(error))
        }
        if flags.contains(.more) {
            let transfer = IncomingTransfer([UInt8](body), limit: configuration.maximumValue)
            let result = PendingCalls.IncomingResult(transfer: transfer, flags: flags, source: source, received: received)
            do throws(TelekinesisError) {
                try state.withLock { (state) throws(TelekinesisError) in
                    try state.pending.begin(result, of: id, limit: partialResultLimit)
                }
            } catch {
                giveUp(id, error, at: source, on: link)
            }
            return
        }
        let reply = Reply(body: SplitBytes([UInt8](body)), flags: flags, source: source, references: received)
        if flags.contains(.isError), flags.ran == .no, repeats(reply, id) { return }
        // Late answers are normal: cancellation and deadline cross them.
        guard let entry = state.withLock({ $0.pending.reply(to: id, from: source, flags) }) else { return }
        deliver(reply, to: entry, id)
    }

    /// More of a large result came. A provider that breaks the rules ends its call, and nothing else.
    func resultContinues(_ frame: Frame, on link: any FrameLink) {
        let id = frame.call
        let isLast = ChannelFlags(rawValue: frame.flags).contains(.last)
        let part = frame.body
        enum Next { case wait(UInt32), done(PendingCalls.Entry, PendingCalls.IncomingResult), fail(TelekinesisError), ignore }
        let source = frame.peer
        let next = state.withLock { state -> Next in
            do throws(TelekinesisError) {
                guard let granted = try state.pending.append(part, to: id, from: source, limit: partialResultLimit) else { return .ignore }
                guard isLast else { return .wait(granted) }
                guard let entry = state.pending.finish(id), let result = entry.incoming else { return .ignore }
                return .done(entry, result)
            } catch {
                return .fail(error)
            }
        }
        switch next {
        case .ignore: break
        case .wait(let amount):
            if amount > 0 { link.send(FrameWriter.credit(flags: .towardsCaller, peer: source, call: id, amount: amount)) }
        case .done(let entry, let result):
            deliver(
                Reply(body: result.transfer.value, flags: result.flags, source: source, references: result.received), to: entry, id)
        case .fail(var error):
            error.ran = .yes
            giveUp(id, error, at: source, on: link)
        }
    }

    /// Most bytes of results that have come in part; one of the largest size fits in any case.
    private var partialResultLimit: Int { max(configuration.maximumPartialResultBytes, configuration.maximumValue) }

    /// The rest of a result is not wanted.
    private func giveUp(_ id: CallID, _ error: TelekinesisError, at source: NodeID, on link: any FrameLink) {
        finish(id, error)
        link.send(FrameWriter.frame(.cancel, peer: source, call: id))
    }

    /// Sends a call once more whose provider has moved, to whoever serves the name now.
    private func repeats(_ reply: Reply, _ id: CallID) -> Bool {
        guard reply.isMoved else { return false }
        let now = loop.now
        let (again, link) = state.withLock { state -> (OutgoingCall?, (any FrameLink)?) in
            let isOpen = if case .open = state.phase { true } else { false }
            let call = try? state.pending.update(id) { entry -> OutgoingCall? in
                guard let call = entry.repeatable, entry.admits(reply.source, reply.flags), now < entry.deadline,
                    entry.repetitions < Self.maximumRepetitions
                else { return nil }
                entry.repetitions += 1
                entry.wasSent = isOpen
                return call
            }
            guard let call = call ?? nil else { return (nil, nil) }
            state.uploads[id] = nil
            if case .open(let link) = state.phase { return (call, link) }
            state.held.append(call.mayWait)
            return (call, nil)
        }
        guard let again else { return false }
        if let key = again.resultKey { link?.send(FrameWriter.forget(key)) }
        if let link { transmit(refreshed(again), on: link) } else { letPass(again) }
        leaveIfDrainedSoon()
        return true
    }

    /// How often a call follows providers that move before its caller is told.
    private static let maximumRepetitions = 8

    private func deliver(_ reply: Reply, to entry: PendingCalls.Entry, _ id: CallID) {
        if !state.withLock({ $0.uploads.isEmpty }) { abandonUpload(id) }
        entry.completion.resume(.success(reply))
        leaveIfDrainedSoon()
    }

    func leaveIfDrainedSoon() {
        if isDraining.load(ordering: .relaxed) { leaveIfDrained() }
    }

    // MARK: Other ends

    /// Ends a call with an error, unless it has ended already.
    func finish(_ id: CallID, _ error: TelekinesisError) {
        guard let entry = state.withLock({ $0.pending.finish(id) }) else { return }
        entry.completion.resume(.failure(error))
        leaveIfDrainedSoon()
    }

    /// The caller's task was cancelled.
    func cancel(_ id: CallID) {
        guard let entry = state.withLock({ $0.pending.finish(id) }) else { return }
        stopRemotely(id, entry)
        entry.completion.resume(.failure(Self.wasCancelled(ran: entry.wasSent ? .maybe : .no)))
        leaveIfDrainedSoon()
    }

    static func wasCancelled(ran: TelekinesisError.Execution) -> TelekinesisError {
        TelekinesisError(.cancelled, "the task that made the call was cancelled", ran: ran)
    }

    /// The caller's task was cancelled while its call left: the word to the callee may have gone in front of the call.
    func cancelStarted(_ call: OutgoingCall) {
        cancel(call.id)
        if let link = state.withLock({ $0.phase.link }) { link.send(FrameWriter.frame(.cancel, peer: call.peer, call: call.id)) }
    }

    private func stopRemotely(_ id: CallID, _ entry: PendingCalls.Entry) {
        abandonUpload(id)
        guard entry.wasSent else {
            let ended = state.withLock { $0.held.count > max(64, 2 * $0.pending.count) ? $0.takeEnded() : [] }
            return withExtendedLifetime(ended) {}
        }
        guard let link = state.withLock({ $0.phase.link }) else { return }
        link.send(FrameWriter.frame(.cancel, peer: entry.peer, call: id))
    }

    // MARK: Deadlines

    static let isLate = TelekinesisError(.deadlineExceeded, "the deadline had passed before the call was made: it was not sent")

    /// Sees to it that late calls are looked for at that time.
    func scheduleDeadline(_ deadline: UInt64) {
        guard deadline != .max, let (number, replaced) = state.withLock({ $0.deadlineAlarm.set(for: deadline) }) else { return }
        replaced?.cancel()
        let now = loop.now
        let timer = loop.schedule(after: Int64(clamping: deadline > now ? deadline - now : 0)) { self.deadlineHasCome(number) }
        if !state.withLock({ $0.deadlineAlarm.started(timer, number) }) { timer.cancel() }
    }

    private func deadlineHasCome(_ number: UInt64) {
        let now = loop.now
        let (late, next) = state.withLock { state in
            state.deadlineAlarm.rang(number)
            return (state.pending.expire(at: now), state.pending.nextDeadline)
        }
        for (id, entry) in late {
            stopRemotely(id, entry)
            let advice = entry.deadlineWasChosen ? "" : " of 30 s: use withDeadline to allow more"
            let place = entry.wasSent ? "no answer came within the deadline" : "there was no connection to the hub within the deadline"
            entry.completion.resume(.failure(TelekinesisError(.deadlineExceeded, place + advice, ran: entry.wasSent ? .maybe : .no)))
        }
        if next != .max { scheduleDeadline(next) }
        leaveIfDrainedSoon()
    }
}
