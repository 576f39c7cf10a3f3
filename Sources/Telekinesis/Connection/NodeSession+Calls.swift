internal import CSystem
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension NodeSession {
    /// Sends a call and waits for its answer.
    ///
    /// - Parameter frame: head (still empty) and body of the call.
    /// - Throws: ``TelekinesisError``; the answer itself may be an error too, see ``Reply/flags``.
    nonisolated(nonsending) func call(
        _ frame: consuming SplitBytes, to target: ActorTarget, flags: CallFlags = [], references: OutgoingReferences? = nil
    ) async throws -> Reply {
        let id = nextCall.add(1, ordering: .relaxed).oldValue
        let scope = CallScope.current
        let now = scope.deadline == nil ? loop.coarseNow : loop.now
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
            let upload = Upload(parts: OutgoingParts(call.rest), call: call)
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
    func refreshed(_ call: OutgoingCall) -> OutgoingCall {
        var call = call
        call.writeHead(now: loop.now)
        return call
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
