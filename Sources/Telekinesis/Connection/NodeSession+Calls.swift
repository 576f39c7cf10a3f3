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
}

extension NodeSession {
    // MARK: Beginning

    /// Sends a call and waits for its answer.
    ///
    /// - Parameter frame: head (still empty) and body of the call.
    /// - Throws: ``TelekinesisError``; the answer itself may be an error too, see ``Reply/flags``.
    nonisolated(nonsending) func call(_ frame: [UInt8], to target: ActorTarget, flags: CallFlags = []) async throws -> Reply {
        let id = nextCall.add(1, ordering: .relaxed).oldValue
        let now = loop.now
        let (deadline, wasChosen) = CallScope.current.deadline(at: now)
        let call = OutgoingCall(id: id, target: target, flags: flags, deadline: deadline, bytes: frame)
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                start(call, at: now, deadlineWasChosen: wasChosen, completion: .task(continuation))
                if Task.isCancelled { cancel(id) }
            }
        } onCancel: {
            cancel(id)
        }
    }

    /// Sends a call; `completion` hears the answer on whatever thread brings it.
    func start(
        _ frame: [UInt8], to target: ActorTarget, flags: CallFlags = [],
        completion: @escaping @Sendable (Result<Reply, TelekinesisError>) -> Void
    ) {
        let id = nextCall.add(1, ordering: .relaxed).oldValue
        let now = loop.now
        let (deadline, wasChosen) = CallScope.current.deadline(at: now)
        let call = OutgoingCall(id: id, target: target, flags: flags, deadline: deadline, bytes: frame)
        start(call, at: now, deadlineWasChosen: wasChosen, completion: .callback(completion))
    }

    private func start(_ call: OutgoingCall, at now: UInt64, deadlineWasChosen: Bool, completion: Completion) {
        enum Next { case send(any FrameLink), wait, fail(TelekinesisError) }
        let peer: NodeID = if case .route = call.target.place { .hub } else { call.target.node }
        let (next, timerIsDue) = state.withLock { state -> (Next, Bool) in
            var entry = PendingCalls.Entry(
                completion: completion, peer: peer, deadline: call.deadline, deadlineWasChosen: deadlineWasChosen, wasSent: true)
            switch state.phase {
            case .stopped(let reason): return (.fail(reason), false)
            case .open(let link):
                guard state.pending.count < configuration.maximumCalls else { return (.fail(Self.tooManyCalls), false) }
                if case .route = call.target.place { entry.repeatable = call }
                let timerIsDue = state.pending.insert(call.id, entry)
                return (state.order.mustWait(call) ? .wait : .send(link), timerIsDue)
            default:
                guard state.pending.count < configuration.maximumCalls else { return (.fail(Self.tooManyCalls), false) }
                entry.wasSent = false
                if case .route = call.target.place { entry.repeatable = call }
                state.held.append(call)
                return (.wait, state.pending.insert(call.id, entry))
            }
        }
        if timerIsDue { scheduleDeadline(call.deadline) }
        switch next {
        case .send(let link): transmit(call, at: now, on: link)
        case .wait: break
        case .fail(let error): completion.resume(.failure(error))
        }
    }

    private static let tooManyCalls = TelekinesisError(.overloaded, "too many calls of this node are in flight: await some first")

    /// Puts a call on a link. Calls to an object that a large call to it precedes wait for that.
    func transmit(_ call: OutgoingCall, at now: UInt64? = nil, on link: any FrameLink) {
        var call = call
        let size = call.writeHead(now: now ?? loop.now)
        let isLarge = size < call.bytes.count
        if isLarge {
            let transfer = OutgoingTransfer(call.bytes, from: size)
            state.withLock { state in
                state.order.block(call.target.address)
                state.uploads[call.id] = Upload(transfer: transfer, call: call)
            }
        }
        let outcome = call.bytes.withUnsafeBytes {
            link.send(UnsafeRawBufferPointer(rebasing: $0[..<size]), count: 1, lane: .urgent, patch: .none, limit: QueueLimit.calls)
        }
        switch outcome {
        case .queued:
            if isLarge { pump(call.id, on: link) }
        case .full:
            abandonUpload(call.id)
            finish(call.id, TelekinesisError(.overloaded, "too much waits to be sent to the hub: slow down"))
        case .closed:
            abandonUpload(call.id)
            hold(call)
        }
    }

    /// The link ended before the call left: it goes with the next one.
    private func hold(_ call: OutgoingCall) {
        let link = state.withLock { state -> (any FrameLink)? in
            guard (try? state.pending.update(call.id) { $0.wasSent = false }) != nil else { return nil }
            guard case .open(let link) = state.phase else {
                state.held.append(call)
                return nil
            }
            return link
        }
        if let link { transmit(call, on: link) }
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
                let part = state.uploads[id]?.transfer.next()
                if part == nil { state.uploads[id]?.isPumping = false }
                return (part, state.uploads[id])
            }
            guard let part, let upload else { return }
            let peer: NodeID = if case .route = upload.call.target.place { .hub } else { upload.call.target.node }
            let frame = FrameWriter.data(flags: part.isLast ? .last : [], peer: peer, call: id, bytes: part.part)
            let outcome = link.send(frame, lane: .bulk)
            if part.isLast || outcome != .queued { abandonUpload(id) }
            guard outcome == .queued else {
                return finish(id, TelekinesisError(.overloaded, "too much waits to be sent to the hub: slow down"))
            }
        }
    }

    /// An upload has ended, one way or the other: calls that waited behind it go.
    func abandonUpload(_ id: CallID) {
        let (waiting, link) = state.withLock { state -> ([OutgoingCall], (any FrameLink)?) in
            guard let upload = state.uploads.removeValue(forKey: id) else { return ([], nil) }
            let waiting = state.order.unblock(upload.call.target.address)
            guard case .open(let link) = state.phase else {
                state.held += waiting
                return ([], nil)
            }
            return (waiting, link)
        }
        if let link { transmit(waiting, on: link) }
    }

    /// Puts calls on a link in order; one that is large makes those to its object wait again.
    func transmit(_ calls: [OutgoingCall], on link: any FrameLink) {
        for call in calls {
            let goesNow = state.withLock { state -> Bool in
                guard (try? state.pending.update(call.id) { $0.wasSent = true }) != nil else { return false }
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

    func reply(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        let flags = ReplyFlags(rawValue: frame.flags)
        let source = frame.peer
        let id = frame.call
        if flags.contains(.more) {
            let transfer = IncomingTransfer([UInt8](frame.body), limit: configuration.maximumValue)
            _ = try state.withLock { (state) throws(TelekinesisError) in
                try state.pending.update(id) { entry in
                    if entry.admits(source, flags) { entry.incoming = .init(transfer: transfer, flags: flags, source: source) }
                }
            }
            return
        }
        // Late answers are normal: cancellation and deadline cross them.
        guard let entry = state.withLock({ $0.pending.reply(to: id, from: source, flags) }) else { return }
        deliver(Reply(body: [UInt8](frame.body), flags: flags, source: source), to: entry, id)
    }

    func resultContinues(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        let id = frame.call
        let isLast = ChannelFlags(rawValue: frame.flags).contains(.last)
        let part = frame.body
        enum Next { case wait(UInt32), done(PendingCalls.Entry, PendingCalls.IncomingResult), fail(TelekinesisError), ignore }
        let source = frame.peer
        let next = state.withLock { state -> Next in
            do throws(TelekinesisError) {
                let granted = try state.pending.update(id) { (entry) throws(TelekinesisError) -> UInt32? in
                    guard entry.incoming?.source == source else { return nil }
                    return try entry.incoming?.transfer.append(part)
                }
                guard let granted = granted ?? nil else { return .ignore }
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
            deliver(Reply(body: result.transfer.bytes, flags: result.flags, source: source), to: entry, id)
        case .fail(var error):
            error.ran = .yes
            finish(id, error)
            link.send(FrameWriter.frame(.cancel, peer: source, call: id))
            if error.code == .protocolViolation { throw error }
        }
    }

    private func deliver(_ reply: Reply, to entry: PendingCalls.Entry, _ id: CallID) {
        if reply.flags.contains(.isError), reply.flags.ran == .no, let call = entry.repeatable, reply.isMoved, loop.now < entry.deadline {
            return start(call, at: loop.now, deadlineWasChosen: entry.deadlineWasChosen, completion: entry.completion)
        }
        if !state.withLock({ $0.uploads.isEmpty }) { abandonUpload(id) }
        entry.completion.resume(.success(reply))
        leaveIfDrainedSoon()
    }

    private func leaveIfDrainedSoon() {
        let isDraining = state.withLock { if case .draining = $0.phase { true } else { false } }
        if isDraining { leaveIfDrained() }
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
        entry.completion.resume(
            .failure(TelekinesisError(.cancelled, "the task that made the call was cancelled", ran: entry.wasSent ? .maybe : .no)))
        leaveIfDrainedSoon()
    }

    private func stopRemotely(_ id: CallID, _ entry: PendingCalls.Entry) {
        abandonUpload(id)
        guard entry.wasSent, let link = state.withLock({ $0.phase.link }) else { return }
        link.send(FrameWriter.frame(.cancel, peer: entry.peer, call: id))
    }

    // MARK: Deadlines

    private func scheduleDeadline(_ deadline: UInt64) {
        guard deadline != .max else { return }
        let now = loop.now
        let timer = loop.schedule(after: Int64(deadline > now ? deadline - now : 0)) { self.deadlineHasCome() }
        let old = state.withLock { state in
            defer { state.deadlineTimer = timer }
            return state.deadlineTimer
        }
        old?.cancel()
    }

    private func deadlineHasCome() {
        let now = loop.now
        let (late, next) = state.withLock { state in
            state.deadlineTimer = nil
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

extension NodeSession {
    /// Whether there is a link to a hub now.
    var isConnected: Bool { state.withLock { $0.phase.link != nil } }
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
