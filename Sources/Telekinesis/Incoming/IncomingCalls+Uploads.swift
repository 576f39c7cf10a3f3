internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension IncomingCalls {
    /// The first part of a large call came.
    func arrive(_ frame: Frame, _ id: IncomingCall.ID, _ received: ReceivedReferences?, on link: any FrameLink) {
        do throws(TelekinesisError) {
            try state.withLock { (state) throws(TelekinesisError) in
                try state.uploads.admit(id, size: frame.body.count, limits: partialLimits)
            }
            let call = ArrivingCall(
                frame: [UInt8](frame.bytes.prefix(FrameType.call.headSize)), place: .init(source: id.source, key: frame.key),
                produced: try register(frame, id.source), received: received,
                deadline: Self.deadline(frame),
                transfer: IncomingTransfer([UInt8](frame.body), limit: configuration.maximumValue))
            state.withLock { state in
                state.uploads.insert(call, id)
                state.arrivals.begin(id.call, at: call.place)
            }
            if frame.remaining != .max { startTimer(id, remaining: frame.remaining, on: link) }
        } catch {
            refuse(id, error, on: link)
        }
    }

    /// How much of large values may be under way, in either direction.
    var partialLimits: Uploads.Limits {
        // Whoever may send values of that size may send one.
        let share = max(configuration.maximumPartialBytesPerCaller, configuration.maximumValue)
        return Uploads.Limits(
            bytes: configuration.maximumPartialBytes, bytesPerCaller: share, calls: configuration.maximumIncomingCalls,
            callsPerCaller: configuration.maximumCallsPerCaller)
    }

    /// Nobody waits for a call whose arguments are not there by its deadline.
    private func startTimer(_ id: IncomingCall.ID, remaining: UInt32, on link: any FrameLink) {
        let timer = loop.schedule(after: Int64(remaining) * 1_000_000) { [weak self] in
            let error = TelekinesisError(.deadlineExceeded, "the arguments had not arrived by the call's deadline")
            guard let self, drop(id, error) else { return }
            refuse(id, error, on: link)
        }
        if !state.withLock({ $0.uploads.set(timer, for: id) }) { timer.cancel() }
    }

    /// Registers the object that a large call is to make or return.
    private func register(_ frame: Frame, _ source: NodeID) throws(TelekinesisError) -> ActorKey? {
        let flags = CallFlags(rawValue: frame.flags)
        guard flags.contains(.resultKey), let head = try? CallBody(parsing: frame.body, flags: flags), let key = head.resultKey else {
            return nil
        }
        try registry.begin(key, for: source)
        return key
    }

    /// More of it came.
    func argumentsContinue(_ frame: Frame, on link: any FrameLink) {
        enum Next { case grant(UInt32), complete(ArrivingCall), refuse(TelekinesisError), ignore }
        let id = IncomingCall.ID(source: frame.peer, call: frame.call)
        let isLast = ChannelFlags(rawValue: frame.flags).contains(.last)
        let part = frame.body
        let next = state.withLock { state -> Next in
            do throws(TelekinesisError) {
                guard let granted = try state.uploads.append(part, to: id, limits: partialLimits) else { return .ignore }
                guard isLast, let call = state.uploads.complete(id) else { return .grant(granted) }
                return .complete(call)
            } catch {
                return .refuse(error)
            }
        }
        switch next {
        case .ignore: break
        case .grant(let amount):
            if amount > 0 { link.send(FrameWriter.credit(flags: [], peer: id.source, call: id.call, amount: amount)) }
        case .refuse(let error):
            drop(id, error)
            refuse(id, error, on: link)
        case .complete(let call):
            var head = call.frame
            head.withUnsafeMutableBytes { head in
                head.storeBytes(of: UInt32(head.count).littleEndian, as: UInt32.self)
                guard let frame = try? Frame(checking: UnsafeRawBufferPointer(head)) else { return }
                accept(frame, body: call.transfer.value, id, call.received, arrived: call, on: link)
            }
            startArrived(at: call.place)
            noteIdle()
        }
    }

    /// Forgets a call that is not whole; the calls behind it go on.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    func drop(_ id: IncomingCall.ID, _ reason: TelekinesisError) -> Bool {
        let call = state.withLock { state -> ArrivingCall? in
            guard let call = state.uploads.remove(id) else { return nil }
            state.arrivals.end(id.call, at: call.place, with: nil)
            return call
        }
        guard let call else { return false }
        if let key = call.produced { registry.settle(key, .failure(reason)) }
        startArrived(at: call.place)
        noteIdle()
        return true
    }

    /// A call whose arguments came in parts has its answer without having run: those behind it need not wait for it.
    func end(_ arrived: ArrivingCall, _ id: IncomingCall.ID) {
        state.withLock { state in
            state.arrivals.end(id.call, at: arrived.place, with: nil)
            state.uploads.answered(id)
        }
    }

    /// Starts the calls whose turn has come.
    func startArrived(at place: Arrivals.Place) {
        while let calls = state.withLock({ $0.arrivals.next(at: place) }) {
            for call in calls { if call.charged != nil { start(call) } else { startWhenMade(call, place.key) } }
        }
    }

    /// Starts a call on an object that was under construction when the call came.
    private func startWhenMade(_ call: IncomingCall, _ key: ActorKey) {
        while true {
            switch registry.callee(key) {
            case .ready(let callee):
                call.assign(callee)
                return call.submit()
            case .pending: if registry.wait(call, for: key) { return }
            case .failed(let error): return registry.refuse([call], error)
            case .missing: return registry.refuse([call], Self.noSuchObject(key))
            }
        }
    }
}
