internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension HubSession {
    /// A call by name: a provider is picked, the call is noted and handed on.
    func routedCall(_ frame: Frame, from node: NodeID, on link: any FrameLink) throws(TelekinesisError) {
        try place(frame, purpose: .route, from: node, on: link)
    }

    /// A call to an object that this node created by name and whose place it does not know yet.
    func createdCall(_ frame: Frame, from node: NodeID, on link: any FrameLink) throws(TelekinesisError) {
        try place(frame, purpose: .created(frame.key), from: node, on: link)
    }

    @inline(__always)
    private func place(
        _ frame: Frame, purpose: WaitingCall.Purpose, from node: NodeID, on link: any FrameLink
    ) throws(TelekinesisError) {
        let flags = CallFlags(rawValue: frame.flags)
        let call = SessionTables.Request(
            id: frame.call, flags: flags, resultKey: try Self.resultKey(frame, flags), remaining: frame.remaining)
        while true {
            var beginsSweeping = false
            let placement = try tables.withLock { (tables) throws(TelekinesisError) -> SessionTables.Placement in
                beginsSweeping = tables.beginSweeping(now: loop.now)
                guard tables.open[call.id] == nil else {
                    throw TelekinesisError(.protocolViolation, "call id \(call.id) is used twice", ran: .no)
                }
                let wait = { (name: inout NameState, wish: Wish) throws(TelekinesisError) in
                    try name.wait(self.waitingCall(frame, purpose, wish, call), limits: self.board.limits)
                }
                return switch purpose {
                case .created(let key): tables.place(call, created: key, limits: board.limits, wait: wait)
                case .route, .resolve, .reserve: tables.place(call, route: frame.route, limits: board.limits, wait: wait)
                }
            }
            if beginsSweeping { sweepLater() }
            switch placement {
            case .send(let provider, let announced):
                let patch = Self.patch(purpose, provider, from: node)
                switch send(frame.bytes, call.id, patch, to: provider, announced, from: node, on: link) {
                case .sent: return
                case .refused(let error):
                    if close(call.id, call.resultKey, at: provider) { refuse(call.id, error, on: link) }
                    return
                case .providerIsGone:
                    guard close(call.id, call.resultKey, at: provider) else { return }
                    board.lost(provider, on: loop)
                    // Nobody else has the object: there is no other place to try.
                    if case .created = purpose { return refuse(call.id, Self.nodeIsGone, on: link) }
                }
            case .wait(let entry): return startTimer(call.id, at: entry, remaining: frame.remaining, on: link)
            case .refuse(let error): return refuse(call.id, error, on: link)
            case .guess(let error): return try refuseGuess(call.id, error, on: link)
            }
        }
    }

    @inline(__always)
    private static func resultKey(_ frame: Frame, _ flags: CallFlags) throws(TelekinesisError) -> ActorKey? {
        guard flags.contains(.resultKey) else { return nil }
        guard frame.body.count >= 16 else {
            throw TelekinesisError(.protocolViolation, "a call that is to have a key for its result has none", ran: .no)
        }
        return ActorKey(loading: frame.body, at: 0)
    }

    @inline(__always)
    private static func patch(_ purpose: WaitingCall.Purpose, _ provider: Provider, from node: NodeID) -> FramePatch {
        switch purpose {
        case .route, .resolve, .reserve: FramePatch(peer: node, key: provider.key)
        case .created: FramePatch(peer: node)
        }
    }

    /// What became of a call that was noted as open.
    private enum Sending {
        case sent
        /// There is no way to its provider.
        case refused(TelekinesisError)
        /// It may be placed anew, unless a farewell came first, to either end, and it is open no more.
        case providerIsGone
    }

    /// Sends a call that was noted as open.
    ///
    /// - Parameter announced: the number under which the provider was told of this session; 0: it was not.
    @inline(__always)
    private func send(
        _ frames: UnsafeRawBufferPointer, _ id: CallID, _ patch: FramePatch, to provider: Provider, _ announced: UInt64,
        from node: NodeID, on link: any FrameLink
    ) -> Sending {
        var announced = announced
        if announced == 0 {
            do throws(Unreachable) {
                announced = try introduce(to: provider.session, provider.node, provider.link, from: node, on: link)
            } catch {
                switch error {
                case .gone: return .providerIsGone
                case .tooManyPeers: return .refused(Self.tooManyPeers(board.limits))
                case .busy: return .refused(Self.queueIsFull)
                }
            }
        }
        switch provider.link.send(frames, count: 1, lane: .urgent, patch: patch, limit: QueueLimit.calls) {
        case .queued:
            callHasLeft(for: provider.link, announced, from: node)
            return .sent
        case .full: return .refused(Self.queueIsFull)
        case .closed: return .providerIsGone
        }
    }

    /// Takes a call out that did not come to its provider, and what it was to make there.
    ///
    /// - Returns: `false` when it was answered meanwhile.
    private func close(_ id: CallID, _ resultKey: ActorKey?, at provider: Provider) -> Bool {
        tables.withLock { tables in
            if let resultKey { tables.forgetCreation(of: resultKey, at: provider) }
            return tables.close(id)
        }
    }

    static let queueIsFull = TelekinesisError(
        .overloaded, "more than \(QueueLimit.calls / 1024 / 1024) MiB wait for the provider to read: call it less often", ran: .no)

    static func tooManyPeers(_ limits: HubLimits) -> TelekinesisError {
        TelekinesisError(.overloaded, "one of the two nodes knows \(limits.peersPerSession) others: no more acquaintances", ran: .no)
    }

    // MARK: Waiting

    private func waitingCall(
        _ frame: Frame, _ purpose: WaitingCall.Purpose, _ wish: Wish, _ request: SessionTables.Request
    ) -> WaitingCall {
        WaitingCall(
            caller: self, id: frame.call, purpose: purpose, wish: wish, mayWait: request.flags.contains(.mayWait),
            resultKey: request.resultKey, deadline: deadline(frame.remaining), frames: [UInt8](frame.bytes))
    }

    func deadline(_ remaining: UInt32) -> UInt64 {
        remaining == .max ? .max : loop.now + UInt64(remaining) * 1_000_000
    }

    /// How many milliseconds a call that waited has left, rounded up: 0 says that there are none.
    func remaining(_ call: WaitingCall) -> UInt32 {
        call.deadline == .max ? .max : UInt32(clamping: (call.deadline - min(call.deadline, loop.now) + 999_999) / 1_000_000)
    }

    /// Sees to it that a call does not wait longer than its caller.
    func startTimer(_ id: CallID, at entry: NameEntry, remaining: UInt32, on link: any FrameLink) {
        guard remaining != .max else { return }
        let timer = loop.schedule(after: Int64(remaining) * 1_000_000) { [weak self] in
            guard let self, stopWaiting(id, at: entry) else { return }
            let error = entry.lateness()
            if tables.withLock({ $0.close(id) }) { refuse(id, error, on: link) }
        }
        let waits = entry.state.withLock { $0.withWaiting { $0.set(timer, for: id, of: self) } }
        if !waits { timer.cancel() }
    }

    /// Takes a call out of a name's queue.
    ///
    /// - Returns: `false` when it has left already.
    @discardableResult
    func stopWaiting(_ id: CallID, at entry: NameEntry) -> Bool {
        guard let stopped = entry.state.withLock({ $0.stopWaiting(id, of: self) }) else { return false }
        hasStopped(stopped, at: entry)
        return true
    }

    /// A call was taken out of a name's queue.
    func hasStopped(_ stopped: NameState.Stopped, at entry: NameEntry) {
        let call = stopped.call
        call.timer?.cancel()
        if let key = call.resultKey { tables.withLock { $0.forgetCreation(of: key, by: call.id) } }
        if stopped.isWaitedFor { board.releaseWaitingSoon(at: entry, on: loop) }
        board.sweep(entry)
    }

    /// A call that waited may leave: the caller's session sends it, then whatever of it came meanwhile.
    ///
    /// - Parameter picked: where it has a place; `nil` when it needs none.
    func leave(_ call: WaitingCall, to picked: Provider?, from entry: NameEntry) {
        call.timer?.cancel()
        let node = self.node
        guard let link = tables.withLock({ $0.link }) else {
            skip(entry)
            giveUp(call, picked)
            return
        }
        switch call.purpose {
        case .resolve: return finishResolve(call, entry, on: link)
        case .reserve(let handle, let lease):
            skip(entry)
            return finishReserve(call, picked, handle: handle, lease: lease, on: link)
        case .route, .created: break
        }
        guard let (provider, announced) = tables.withLock({ $0.leave(call, to: picked) }) else {
            skip(entry)
            giveUp(call, picked)
            let error = TelekinesisError(.noSuchObject, "the object was not created", ran: .no)
            if tables.withLock({ $0.close(call.id) }) { refuse(call.id, error, on: link) }
            return
        }
        var patch = Self.patch(call.purpose, provider, from: node)
        patch.remaining = remaining(call)
        var isFirst = true
        // Data that arrives while this goes on joins what waits, and so cannot overtake the call.
        while let frames = takeFrames(of: call, entry) {
            var sending = Sending.sent
            frames.withUnsafeBytes { bytes in
                var rest = bytes
                while case .sent = sending, let frame = try? Frame(checking: rest) {
                    if isFirst {
                        isFirst = false
                        sending = send(frame.bytes, call.id, patch, to: provider, announced, from: node, on: link)
                    } else if frame.type == .cancel {
                        passOn(frame, from: node)
                    } else {
                        sendData(frame, of: call.id, to: provider, from: node, on: link)
                    }
                    rest = UnsafeRawBufferPointer(rebasing: rest[frame.bytes.count...])
                }
            }
            switch sending {
            case .sent: break
            case .refused(let error):
                skip(entry)
                if close(call.id, call.resultKey, at: provider) { refuse(call.id, error, on: link) }
                return
            case .providerIsGone: return waitAgain(call, frames, provider, entry, on: link)
            }
        }
    }

    /// A call does not take the place that was found for it.
    private func giveUp(_ call: WaitingCall, _ picked: Provider?) {
        guard let picked else { return }
        if case .reserve = call.purpose { board.unbind(Route(entry: picked.entry, wish: .reserved(picked))) } else { picked.finished() }
    }

    /// The provider that a call was leaving for turned out to be gone.
    private func waitAgain(_ call: WaitingCall, _ frames: [UInt8], _ provider: Provider, _ entry: NameEntry, on link: any FrameLink) {
        guard case .route = call.purpose else {
            skip(entry)
            guard close(call.id, call.resultKey, at: provider) else { return }
            board.lost(provider, on: loop)
            return refuse(call.id, Self.nodeIsGone, on: link)
        }
        let outcome = tables.withLock { tables in
            tables.waitAgain(call, at: entry) { entry.state.withLock { $0.withWaiting { $0.putBack(frames) } } }
        }
        if case .ended = outcome { return skip(entry) }
        board.lost(provider, on: loop)
        switch outcome {
        case .waits: startTimer(call.id, at: entry, remaining: remaining(call), on: link)
        case .cancelled: refuse(call.id, Self.cancelledWhileWaiting, on: link)
        case .refused, .ended:
            skip(entry)
            refuse(call.id, .hubIsClosing, on: link)
        }
    }

    /// What a leaving call has yet to take along; with the last of it the call becomes an ordinary open one.
    private func takeFrames(of call: WaitingCall, _ entry: NameEntry) -> [UInt8]? {
        tables.withLock { tables in
            let frames = entry.state.withLock { $0.withWaiting { $0.takeFrames() } }
            if frames == nil { _ = tables.open.update(call.id) { $0.hasLeft() } }
            return frames
        }
    }

    /// The call that leaves is not sent.
    func skip(_ entry: NameEntry) {
        while entry.state.withLock({ $0.withWaiting { $0.takeFrames() } }) != nil {}
    }
}

extension Switchboard {
    /// Somebody serves a name now: what waited for that goes, in order.
    ///
    /// Also when somebody has room again, or serves it no longer.
    func releaseWaiting(at entry: NameEntry) {
        while let departure = entry.state.withLock({ $0.next() }) {
            switch departure {
            case .goes(let call, let provider): call.caller.leave(call, to: provider, from: entry)
            case .fails(let call, let reason): call.caller.sendAway(call, entry.error(reason))
            }
        }
        sweep(entry)
    }

    /// The same at the end of the loop's turn, for whoever holds a lock.
    func releaseWaitingSoon(at entry: NameEntry, on loop: EventLoop) {
        guard !entry.isAttended.exchange(true, ordering: .acquiringAndReleasing) else { return }
        loop.execute {
            entry.isAttended.store(false, ordering: .sequentiallyConsistent)
            self.releaseWaiting(at: entry)
        }
    }

    /// A provider turned out to be gone.
    func lost(_ provider: Provider, on loop: EventLoop) {
        provider.entry.remove(provider)
        releaseWaitingSoon(at: provider.entry, on: loop)
    }

    /// A reservation is over.
    func endReservation(_ seat: Provider) {
        if seat.entry.state.withLock({ $0.endReservation(seat) }) { releaseWaitingSoon(at: seat.entry, on: seat.session.loop) }
    }
}
