internal import CSystem
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Arguments too large for one frame, on their way.
struct Upload: Sendable {
    var transfer: OutgoingTransfer
    let call: OutgoingCall
    /// Somebody is sending parts; they leave in order.
    var isPumping = false
    /// A part for which there was no room.
    var unsent: (part: ArraySlice<UInt8>, isLast: Bool)?
    /// How long to wait for room on the link, in nanoseconds.
    static let pause: Int64 = 2_000_000
}

extension NodeSession {
    // MARK: Beginning

    /// Sends a call and waits for its answer.
    ///
    /// - Parameter frame: head (still empty) and body of the call.
    /// - Throws: ``TelekinesisError``; the answer itself may be an error too, see ``Reply/flags``.
    nonisolated(nonsending) func call(
        _ frame: consuming SplitBytes, to target: ActorTarget, flags: CallFlags = [], references: OutgoingReferences? = nil
    ) async throws -> Reply {
        let id = nextCall.add(1, ordering: .relaxed).oldValue
        let now = loop.now
        let scope = CallScope.current
        let (deadline, wasChosen) = scope.deadline(at: now)
        guard deadline > now else { throw Self.isLate }
        var (frame, flags) = (consume frame, flags)
        if let baggage = scope.baggage { try load(baggage.value, on: &frame, &flags) }
        let call = OutgoingCall(
            id: id, target: target, flags: flags, deadline: deadline, frame: consume frame, references: references, now: now)
        var reply: Reply
        do {
            reply = try await answer(to: call, deadlineWasChosen: wasChosen)
        } catch var error as TelekinesisError where error.code == .deadlineExceeded && wasChosen {
            error.message += ", which left it \(Duration.milliseconds((deadline - now + 999_999) / 1_000_000))"
            throw error
        }
        if reply.references != nil { reply.origin = target }
        return reply
    }

    /// Starts a call and waits for its answer; when the task is cancelled, so is the call.
    ///
    /// `withTaskCancellationHandler` would do, but for its cost: four switches of executor, see decision 006.
    private nonisolated(nonsending) func answer(to call: OutgoingCall, deadlineWasChosen: Bool) async throws -> Reply {
        let cancel: @convention(c) (UnsafeRawPointer?, UInt64) -> Void = { session, id in
            guard let session else { return }
            Unmanaged<NodeSession>.fromOpaque(session).takeUnretainedValue().cancel(id)
        }
        let registration = tk_add_cancellation_handler(cancel, Unmanaged.passUnretained(self).toOpaque(), call.id)
        defer {
            tk_remove_cancellation_handler(registration)
            withExtendedLifetime(self) {}
        }
        guard !tk_cancellation_was_handled(registration) else { throw Self.wasCancelled(ran: .no) }
        return try await withUnsafeThrowingContinuation { continuation in
            start(call, deadlineWasChosen: deadlineWasChosen, completion: .task(continuation))
            if tk_cancellation_was_handled(registration) { cancelStarted(call) }
        }
    }

    /// Puts what a call carries besides its arguments into its frame.
    func load(_ baggage: Baggage, on frame: inout SplitBytes, _ flags: inout CallFlags) throws(TelekinesisError) {
        guard !baggage.isEmpty else { return }
        let metadata = try baggage.metadata(on: home)
        let length = UInt32(metadata.count).littleEndian
        let place = FrameType.call.headSize + (flags.contains(.resultKey) ? 16 : 0)
        frame.bytes.insert(contentsOf: withUnsafeBytes(of: length) { Array($0) } + metadata, at: place)
        flags.insert(.metadata)
    }

    /// Sends a call; `completion` hears the answer on whatever thread brings it.
    func start(
        _ frame: SplitBytes, to target: ActorTarget, flags: CallFlags = [], references: OutgoingReferences? = nil,
        completion: @escaping @Sendable (Result<Reply, TelekinesisError>) -> Void
    ) {
        let id = nextCall.add(1, ordering: .relaxed).oldValue
        let now = loop.now
        let (deadline, wasChosen) = CallScope.current.deadline(at: now)
        let call = OutgoingCall(id: id, target: target, flags: flags, deadline: deadline, frame: frame, references: references, now: now)
        start(call, deadlineWasChosen: wasChosen, completion: .callback(completion))
    }

    func start(_ call: OutgoingCall, deadlineWasChosen: Bool, completion: Completion) {
        enum Next { case send(any FrameLink), wait, fail(TelekinesisError) }
        let current = connection.load(ordering: .relaxed)
        if let refusal = call.refusal(connection: current) { return completion.resume(.failure(refusal)) }
        let (next, timerIsDue) = state.withLock { state -> (Next, Bool) in
            var entry = PendingCalls.Entry(
                completion: completion, peer: call.peer, deadline: call.deadline, deadlineWasChosen: deadlineWasChosen, wasSent: true)
            switch state.phase {
            case .stopped(let reason): return (.fail(reason.code == .cancelled ? Self.closed : reason), false)
            case .open(let link):
                guard state.pending.count < configuration.maximumCalls else { return (.fail(Self.tooManyCalls), false) }
                if call.isForWhomTheHubChooses { entry.repeatable = call }
                let timerIsDue = state.pending.insert(call.id, entry)
                return (state.order.mustWait(call) ? .wait : .send(link), timerIsDue)
            default:
                guard !state.isLeaving else { return (.fail(Self.isLeaving), false) }
                if let refusal = state.refusal { return (.fail(refusal), false) }
                guard !call.isForReserved else { return (.fail(Self.reservationEnds), false) }
                guard state.pending.count < configuration.maximumCalls else { return (.fail(Self.tooManyCalls), false) }
                entry.wasSent = false
                let call = call.mayWait
                if call.isForWhomTheHubChooses { entry.repeatable = call }
                state.held.append(call)
                return (.wait, state.pending.insert(call.id, entry))
            }
        }
        if timerIsDue { scheduleDeadline(call.deadline) }
        switch next {
        case .send(let link): transmit(call, on: link)
        case .wait: break
        case .fail(let error): completion.resume(.failure(error))
        }
    }

    private static let reservationEnds = TelekinesisError(
        .noProvider, "this reservation ends with the connection to the hub, which is being made anew: reserve again")
    private static let closed = TelekinesisError(.invalidUse, "this node was closed: connect another one")
    private static let tooManyCalls = TelekinesisError(.overloaded, "too many calls of this node are in flight: await some first")

    /// Puts a call on a link. Calls to an object that a large call to it precedes wait for that.
    func transmit(_ call: OutgoingCall, on link: any FrameLink) {
        let size = call.firstFrameSize
        let isLarge = call.isLarge
        if isLarge {
            let upload = Upload(transfer: call.rest, call: call)
            let isWanted = state.withLock { state in
                guard state.pending.contains(call.id) else { return false }
                state.uploads[call.id] = upload
                return true
            }
            guard isWanted else { return letPass(call) }
        }
        let outcome: SendOutcome
        if let references = call.references {
            do throws(TelekinesisError) {
                outcome = try handOver(references, with: call, on: link)
            } catch {
                abandonUpload(call.id)
                return finish(call.id, error)
            }
        } else {
            outcome = call.bytes.withUnsafeBytes {
                link.send(UnsafeRawBufferPointer(rebasing: $0[..<size]), count: 1, lane: .urgent, patch: .none, limit: QueueLimit.calls)
            }
        }
        switch outcome {
        case .queued:
            guard isLarge else { return }
            if state.withLock({ $0.uploads[call.id] != nil }) {
                pump(call.id, on: link)
            } else {
                // It was cancelled before it left.
                link.send(FrameWriter.frame(.cancel, peer: call.peer, call: call.id))
            }
        case .full:
            abandonUpload(call.id)
            finish(call.id, TelekinesisError(.overloaded, "too much waits to be sent to the hub: slow down"))
        case .closed:
            hold(call, after: link)
        }
    }

    /// The link ended, or is about to, before the call left: it goes with the next one.
    private func hold(_ call: OutgoingCall, after link: any FrameLink) {
        let (next, isWanted) = state.withLock { state -> ((any FrameLink)?, Bool) in
            state.uploads[call.id] = nil
            guard (try? state.pending.update(call.id) { $0.wasSent = false }) != nil else { return (nil, false) }
            guard !call.isForReserved else { return (nil, false) }
            if case .open(let next) = state.phase, next !== link { return (next, true) }
            guard !state.isLeaving else { return (nil, false) }
            state.held.append(call.mayWait)
            return (nil, true)
        }
        if !isWanted {
            finish(call.id, call.isForReserved ? Self.reservationEnds : Self.isLeaving)
            letPass(call)
        }
        if let next { transmit([call], on: next) }
    }

    /// A call that has waited, its head as it should be now.
    private func refreshed(_ call: OutgoingCall) -> OutgoingCall {
        var call = call
        call.writeHead(now: loop.now)
        return call
    }

    // MARK: Large arguments

    private func pump(_ id: CallID, on link: any FrameLink) {
        let mine = state.withLock { state -> Bool in
            guard let upload = state.uploads[id], !upload.isPumping else { return false }
            state.uploads[id]?.isPumping = true
            return true
        }
        guard mine else { return }
        while true {
            let (part, upload) = state.withLock { state -> ((part: ArraySlice<UInt8>, isLast: Bool)?, Upload?) in
                let part = state.uploads[id]?.unsent.take() ?? state.uploads[id]?.transfer.next()
                if part == nil { state.uploads[id]?.isPumping = false }
                return (part, state.uploads[id])
            }
            guard let part, let upload else { return }
            let flags: ChannelFlags = part.isLast ? .last : []
            switch link.sendData(part.part, flags: flags, peer: upload.call.peer, call: id, limit: QueueLimit.data) {
            case .queued: if part.isLast { abandonUpload(id) }
            // The end of the link ends the call.
            case .closed: return
            case .full:
                state.withLock { state in
                    state.uploads[id]?.unsent = part
                    state.uploads[id]?.isPumping = false
                }
                _ = loop.schedule(after: Upload.pause) { [weak self] in self?.pump(id, on: link) }
                return
            }
        }
    }

    /// An upload has ended, one way or the other: calls that waited behind it go.
    func abandonUpload(_ id: CallID) {
        if let upload = state.withLock({ $0.uploads.removeValue(forKey: id) }) { letPass(upload.call) }
    }

    /// Sends the calls that waited behind a large one, until another large one is among them, and those that waited for the objects which these
    /// are to return.
    private func letPass(_ large: OutgoingCall) {
        var addresses = [large.target.address]
        state.withLock { $0.order.unblock(large) }
        while let address = addresses.popLast() {
            if state.withLock({ $0.order.beginPassing(address) }) { letPass(address) { addresses.append(.object($0)) } }
        }
    }

    /// - Parameter produced: told the keys under which calls to what these return may now leave.
    private func letPass(_ address: ActorTarget.Address, produced: (ActorKey) -> Void) {
        while true {
            let (call, link, waiting) = state.withLock { state -> (OutgoingCall?, (any FrameLink)?, [OutgoingCall]) in
                guard case .open(let link) = state.phase else {
                    let waiting = state.order.removeAll()
                    for call in waiting where (try? state.pending.update(call.id) { $0.wasSent = false }) != nil {
                        state.held.append(call.mayWait)
                    }
                    return (nil, nil, waiting)
                }
                return (state.order.next(address), link, [])
            }
            withExtendedLifetime(waiting) {}
            guard let call = call.map(refreshed), let link else { return }
            let isWanted = state.withLock { state in
                if (try? state.pending.update(call.id) { $0.leaves(for: call.peer) }) != nil { return true }
                state.order.unblock(call)
                return false
            }
            if isWanted { transmit(call, on: link) }
            if let key = call.resultKey, state.withLock({ $0.order.unblockResult(of: call, key) }) { produced(key) }
        }
    }

    /// Puts calls on a link in order; one that is large makes those to its object wait again.
    func transmit(_ calls: [OutgoingCall], on link: any FrameLink) {
        let current = connection.load(ordering: .relaxed)
        for call in calls.lazy.map(refreshed) {
            if let refusal = call.refusal(connection: current) {
                finish(call.id, refusal)
                continue
            }
            let goesNow = state.withLock { state -> Bool in
                guard (try? state.pending.update(call.id) { $0.leaves(for: call.peer) }) != nil else { return false }
                return !state.order.mustWait(call)
            }
            if goesNow { transmit(call, on: link) }
        }
    }

    func creditForArguments(_ frame: Frame) {
        let id = frame.call
        let link = state.withLock { state -> (any FrameLink)? in
            state.uploads[id]?.transfer.grant(frame.amount)
            return state.phase.link
        }
        if let link { pump(id, on: link) }
    }

    // MARK: Ending

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

    private static func wasCancelled(ran: TelekinesisError.Execution) -> TelekinesisError {
        TelekinesisError(.cancelled, "the task that made the call was cancelled", ran: ran)
    }

    /// The caller's task was cancelled while its call left: the word to the callee may have gone in front of the call.
    private func cancelStarted(_ call: OutgoingCall) {
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
        let (late, next, unreachable) = state.withLock { state in
            state.deadlineAlarm.rang(number)
            return (state.pending.expire(at: now), state.pending.nextDeadline, state.unreachable ?? state.lastEnd)
        }
        for (id, entry) in late {
            stopRemotely(id, entry)
            let advice = entry.deadlineWasChosen ? "" : " of 30 s: use withDeadline to allow more"
            let place = entry.wasSent ? "no answer came within the deadline" : "there was no connection to the hub within the deadline"
            entry.completion.resume(
                .failure(
                    TelekinesisError(
                        .deadlineExceeded, place + advice, ran: entry.wasSent ? .maybe : .no, cause: entry.wasSent ? nil : unreachable)))
        }
        if next != .max { scheduleDeadline(next) }
        leaveIfDrainedSoon()
    }
}

extension NodeSession.Phase {
    /// The link on which frames for calls under way may leave.
    var link: (any FrameLink)? {
        switch self {
        case .opening(let link), .open(let link), .draining(let link): link
        case .connecting, .shakingHands, .stopped: nil
        }
    }
}
