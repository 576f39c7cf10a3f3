internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// The provider's side of a node: from the frame of a call to the dispatcher, and from the result to the frame of the reply.
final class IncomingCalls: Sendable {
    struct State: ~Copyable {
        var running = PairTable<IncomingCall>()
        var shares: CallerShares
        /// Calls whose arguments come in parts, and what is behind them.
        var uploads = Uploads()
        var arrivals = Arrivals()
        /// Results that leave in parts.
        var downloads = Downloads()
        /// Told whenever the last call has its answer.
        var onIdle: (@Sendable () -> Void)?
        /// Told the next time, once.
        var idleWaiters: [Once] = []
        /// Told when the last stream has ended.
        var streamsEnded: Once?
        var isRefusing = false
        var streams = Streams()

        /// Whether no call runs or is arriving, and no result is on its way. Streams that others read may go on for ever, and do not count.
        var isIdle: Bool { running.count == streams.count && downloads.isEmpty && uploads.isEmpty }

        var hasIdleWaiters: Bool { onIdle != nil || !idleWaiters.isEmpty }
    }

    let configuration: NodeConfiguration
    let loop: EventLoop
    let dispatchers: Dispatchers
    let state: Mutex<State>
    let registry: Registry
    let node: NodeHome
    /// See every call from elsewhere.
    let interceptors = Interceptors()

    init(loop: EventLoop, configuration: NodeConfiguration) {
        self.loop = loop
        self.configuration = configuration
        state = Mutex(State(shares: CallerShares(limit: configuration.maximumCallsPerCaller)))
        dispatchers = Dispatchers(loop: loop)
        registry = Registry(limit: configuration.maximumHeldObjects)
        node = NodeHome(registry: registry)
    }

    // MARK: Calls

    /// A call came.
    func call(_ frame: Frame, on link: any FrameLink) {
        let id = IncomingCall.ID(source: frame.peer, call: frame.call)
        let flags = CallFlags(rawValue: frame.flags)
        var received: ReceivedReferences?
        if flags.contains(.references) {
            do throws(TelekinesisError) {
                received = try references(in: frame, flags)
            } catch {
                return refuse(id, error, on: link)
            }
        }
        registry.claim(frame.key, by: frame.peer)
        if flags.contains(.more) {
            arrive(frame, id, received, on: link)
        } else {
            accept(frame, body: SplitBytes([UInt8](frame.body)), id, received, on: link)
        }
    }

    /// What a call hands over: noted when its first frame comes, so that no later frame of the giver can take it back before.
    private func references(in frame: Frame, _ flags: CallFlags) throws(TelekinesisError) -> ReceivedReferences {
        let range = try CallBody(parsing: frame.body, flags: flags).references
        let table = try ReferenceTable.parse(UnsafeRawBufferPointer(rebasing: frame.body[range])).entries
        return ReceivedReferences(table, from: frame.peer, to: node)
    }

    /// A call is whole.
    ///
    /// - Parameter arrived: what was noted of it while it came in parts.
    func accept(
        _ frame: Frame, body: SplitBytes, _ id: IncomingCall.ID, _ received: ReceivedReferences?, arrived: ArrivingCall? = nil,
        on link: any FrameLink
    ) {
        // What the caller wants the result to be called: calls to that may follow.
        var produced = arrived?.produced
        var encoding = Encoding.messagePack
        do throws(TelekinesisError) {
            let flags = CallFlags(rawValue: frame.flags)
            let head = try CallBody(parsing: body.bytes, flags: flags)
            encoding = head.encoding
            let metadata = head.metadata.isEmpty ? nil : try CallMetadata(parsing: body.bytes, head.metadata)
            let deadline = arrived.map(\.deadline) ?? Self.deadline(frame)
            let key = frame.key
            if let result = head.resultKey, result != produced {
                try registry.begin(result, for: id.source)
                produced = result
            }
            guard frame.remaining > 0 else {
                throw TelekinesisError(.deadlineExceeded, "the deadline had passed when the call came: it was not made", ran: .no)
            }
            while true {
                if let callee = registry.ready(key) {
                    return try begin(callee, head, body, id, received, metadata, deadline, key, arrived, on: link)
                }
                switch registry.callee(key) {
                case .ready(let callee): return try begin(callee, head, body, id, received, metadata, deadline, key, arrived, on: link)
                case .failed(let error): throw error
                case .missing: throw Self.noSuchObject(key)
                case .pending:
                    let call = IncomingCall(
                        id: id, target: key, callee: nil, action: Self.action(head), head: head, body: body, received: received,
                        metadata: metadata, deadline: deadline, link: link, owner: self, dispatcher: dispatcher(for: id.source))
                    guard try admit(call, key, arrived) else { return }
                    if registry.wait(call, for: key) { return }
                    remove(call)
                }
            }
        } catch {
            if let arrived { end(arrived, id) }
            refuse(id, error, in: encoding, on: link)
            if let produced { registry.settle(produced, .failure(error)) }
        }
    }

    /// Until when the caller waits, on the clock of ``CallScope``; `nil` for ever.
    static func deadline(_ frame: Frame) -> UInt64? {
        guard frame.remaining != .max else { return nil }
        let now = frame.remaining > 1_000 ? MonotonicClock.coarse : CallScope.now
        return now + UInt64(frame.remaining) * 1_000_000
    }

    static func noSuchObject(_ key: ActorKey) -> TelekinesisError {
        TelekinesisError(.noSuchObject, "no object has the key \(key.redacted) here: it was released, or its process or connection ended")
    }

    /// A call on something that is there.
    private func begin(
        _ callee: Callee, _ head: CallBody, _ body: SplitBytes, _ id: IncomingCall.ID, _ received: ReceivedReferences?,
        _ metadata: CallMetadata?, _ deadline: UInt64?,
        _ place: ActorKey, _ arrived: ArrivingCall?, on link: any FrameLink
    ) throws(TelekinesisError) {
        var action = Self.action(head)
        switch head.selector {
        case ObjectService.describe.rawValue where head.resultKey != nil, ObjectService.ping.rawValue where head.resultKey != nil,
            ObjectService.open.rawValue where head.resultKey != nil:
            throw TelekinesisError(.badArguments, "this call returns no object for which its caller could choose a key", ran: .no)
        case ObjectService.describe.rawValue:
            if let arrived { end(arrived, id) }
            answer(id, ReplyWriter.encoded(callee.description, in: head.encoding), [], on: link, mayWaitBehind: QueueLimit.calls)
            return
        case ObjectService.ping.rawValue:
            if let arrived { end(arrived, id) }
            answer(id, ReplyWriter.encoded(Optional<Int>.none, in: head.encoding), [], on: link)
            return
        default: break
        }
        if callee.isFactory {
            guard head.selector == ObjectService.create.rawValue, let key = head.resultKey else {
                throw TelekinesisError(
                    .noSuchMethod, "this is a class: programs make instances of it with node.class(_:of:) and call those")
            }
            action = .create(key)
        } else if head.selector == ObjectService.create.rawValue {
            throw TelekinesisError(
                .noSuchMethod, "this is no class: node.resolve(_:as:) finds objects, node.function(_:) functions")
        }
        let call = IncomingCall(
            id: id, target: place, callee: callee, action: action, head: head, body: body, received: received, metadata: metadata,
            deadline: deadline, link: link, owner: self, dispatcher: dispatcher(for: id.source))
        if try admit(call, place, arrived) { start(call) }
    }

    /// What a call on an object or a function is to do.
    private static func action(_ head: CallBody) -> IncomingCall.Action { head.resultKey.map { .produce($0) } ?? .call }

    /// A call may run, as soon as what it is made on has a place for it.
    func start(_ call: IncomingCall) {
        guard let gate = call.charged?.gate, !gate.enter(call) else { return call.submit() }
    }

    /// A call is not wanted any more. One that waits for a place, or behind a large call, is answered at once.
    func stop(_ call: IncomingCall) {
        call.cancel()
        guard call.charged?.gate?.giveUp(call) == true || state.withLock({ $0.arrivals.giveUp(call) }) else { return }
        let error = TelekinesisError(.cancelled, "the call was cancelled before it began")
        call.refuse(error)
        if let key = call.action.key { registry.settle(key, .failure(error)) }
    }

    /// Through which the calls of a caller go.
    private func dispatcher(for caller: NodeID) -> Dispatcher {
        dispatchers.dispatcher(for: caller) {
            state.withLock { state in
                var known: Dispatcher?
                state.running.forEach { if $1.id.source == caller { known = $1.dispatcher } }
                return known
            }
        }
    }

    /// Counts a call.
    ///
    /// - Returns: whether it may start now; `false` when it waits for its turn.
    private func admit(_ call: IncomingCall, _ key: ActorKey, _ arrived: ArrivingCall?) throws(TelekinesisError) -> Bool {
        let waiting = call.charged?.inFlight.add(1, ordering: .relaxed).newValue ?? 0
        var startsNow = true
        let problem = state.withLock { state -> TelekinesisError? in
            guard waiting <= configuration.maximumCallsPerObject, state.running.count < configuration.maximumIncomingCalls else {
                return TelekinesisError(.overloaded, "too many calls wait for this object: try again later")
            }
            guard state.shares.admit(call.id.source, beside: state.running) else { return tooManyCallsOfOne }
            guard !state.isRefusing else { return TelekinesisError(.moved, "this provider is shutting down") }
            guard state.running[call.id.pair] == nil else {
                return TelekinesisError(.protocolViolation, "the call id \(call.id.call) is in use")
            }
            if arrived == nil, call.body.count > Uploads.smallArguments {
                do throws(TelekinesisError) {
                    try state.uploads.keep(call.id, size: call.body.count, limits: partialLimits)
                } catch {
                    return error
                }
            }
            state.running[call.id.pair] = call
            state.shares.began(call.id.source)
            if let arrived {
                state.arrivals.end(call.id.call, at: arrived.place, with: call)
                startsNow = false
            } else if !state.arrivals.isEmpty {
                startsNow = !state.arrivals.hold(call, at: .init(source: call.id.source, key: key))
            }
            return nil
        }
        if let problem {
            call.charged?.inFlight.subtract(1, ordering: .relaxed)
            throw problem
        }
        return startsNow
    }

    private var tooManyCallsOfOne: TelekinesisError {
        let what = "this node has its \(configuration.maximumCallsPerCaller) calls at this provider (`maximumCallsPerCaller`)"
        return TelekinesisError(.overloaded, "\(what): await some first")
    }

    func remove(_ call: IncomingCall) {
        call.charged?.inFlight.subtract(1, ordering: .relaxed)
        if let next = call.charged?.gate?.leave(call) { next.submit() }
        let isIdle = state.withLock { state -> Bool in
            if state.running.remove(call.id.pair) != nil { state.shares.ended(call.id.source, remaining: state.running.count) }
            if state.uploads.hasWhole { state.uploads.answered(call.id) }
            return state.isIdle && state.hasIdleWaiters
        }
        if isIdle { noteIdle() }
    }

    func cancel(_ frame: Frame, on link: any FrameLink) {
        let id = IncomingCall.ID(source: frame.peer, call: frame.call)
        // The call first: its result may be about to become a download.
        let (running, stream) = state.withLock { ($0.running[id.pair], $0.streams.all[id]) }
        if let running { stop(running) }
        stream?.cancel()
        let wasLeaving = state.withLock { $0.downloads.remove(id) }
        // A cancelled call is answered too: its caller has given up, but the hub counts it until then.
        if drop(id, Self.cancelled) || wasLeaving {
            refuse(id, Self.cancelled, on: link)
            noteIdle()
        }
    }

    static let cancelled = TelekinesisError(.cancelled, "the caller cancelled the call", ran: .maybe)

    /// The node was closed: what still comes is refused, and nothing is kept.
    func close() {
        refuseCalls()
        linkEnded()
        registry.close()
        dispatchers.end()
    }
}
