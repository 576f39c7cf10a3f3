internal import MessagePack
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
        var downloads: [IncomingCall.ID: Download] = [:]
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

        /// Bytes of large results that one caller has not taken yet.
        func resultBytes(of caller: NodeID) -> Int {
            downloads.reduce(0) { $0 + ($1.key.source == caller ? $1.value.transfer.size : 0) }
        }
    }

    struct Download {
        var transfer: OutgoingTransfer
        let link: any FrameLink
        var isPumping = false
        /// A part for which there was no room.
        var unsent: (part: ArraySlice<UInt8>, isLast: Bool)?
    }

    /// How long to wait for room on the link, in nanoseconds.
    private static let pause: Int64 = 2_000_000

    let configuration: NodeConfiguration
    let loop: EventLoop
    private let home: Dispatcher
    /// Those of other loops; `nil` once the node was closed.
    private let others = Mutex<[ObjectIdentifier: Dispatcher]?>([:])
    let state: Mutex<State>
    let registry: Registry
    let node: NodeHome
    /// See every call from elsewhere.
    let interceptors = Interceptors()

    init(loop: EventLoop, configuration: NodeConfiguration) {
        self.loop = loop
        self.configuration = configuration
        state = Mutex(State(shares: CallerShares(limit: configuration.maximumCallsPerCaller)))
        let home = Dispatcher(loop: loop)
        self.home = home
        registry = Registry(limit: configuration.maximumHeldObjects) { home.submit($0) }
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
                        id: id, callee: nil, action: Self.action(head), head: head, body: body, received: received, metadata: metadata,
                        deadline: deadline, link: link,
                        owner: self)
                    guard try admit(call, key, arrived) else { return }
                    if registry.wait(call, for: key) { return }
                    remove(call)
                }
            }
        } catch {
            if let arrived {
                state.withLock { $0.arrivals.end(id.call, at: arrived.place, with: nil) }
            }
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
        TelekinesisError(.noSuchObject, "no object has the key \(key.redacted) here: it was released, or its process restarted")
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
            answer(id, ReplyWriter.encoded(callee.description, in: head.encoding), [], on: link)
            return
        case ObjectService.ping.rawValue:
            answer(id, ReplyWriter.encoded(Optional<Int>.none, in: head.encoding), [], on: link)
            return
        default: break
        }
        if callee.isFactory {
            guard head.selector == ObjectService.create.rawValue, let key = head.resultKey else {
                throw TelekinesisError(
                    .noSuchMethod, "this name stands for a class: programs make instances of it with node.class(_:of:) and call those")
            }
            action = .create(key)
        } else if head.selector == ObjectService.create.rawValue {
            throw TelekinesisError(
                .noSuchMethod, "this name stands for no class: node.resolve(_:as:) finds objects, node.function(_:) functions")
        }
        let call = IncomingCall(
            id: id, callee: callee, action: action, head: head, body: body, received: received, metadata: metadata, deadline: deadline,
            link: link, owner: self)
        if try admit(call, place, arrived) { start(call) }
    }

    /// What a call on an object or a function is to do.
    private static func action(_ head: CallBody) -> IncomingCall.Action { head.resultKey.map { .produce($0) } ?? .call }

    /// A call may run, as soon as what it is made on has a place for it.
    func start(_ call: IncomingCall) {
        guard let gate = call.charged?.gate, !gate.enter(call) else { return dispatcher.submit(call) }
    }

    /// A call is not wanted any more. One that waits for a place is answered at once.
    private func stop(_ call: IncomingCall) {
        call.cancel()
        if let gate = call.charged?.gate, gate.giveUp(call) {
            let error = TelekinesisError(.cancelled, "the call was cancelled before it began")
            call.refuse(error)
            if let key = call.action.key { registry.settle(key, .failure(error)) }
        }
    }

    /// The dispatcher of the loop that brought the call: within one process the hub's loops bring calls to the node directly.
    var dispatcher: Dispatcher {
        if loop.isCurrent { return home }
        guard let current = EventLoop.current else { return home }
        return others.withLock { others in
            guard let all = others else { return home }
            if let known = all[ObjectIdentifier(current)] { return known }
            let new = Dispatcher(loop: current)
            others?[ObjectIdentifier(current)] = new
            return new
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
        if let next = call.charged?.gate?.leave(call) { dispatcher.submit(next) }
        let isIdle = state.withLock { state -> Bool in
            if state.running.remove(call.id.pair) != nil { state.shares.ended(call.id.source, remaining: state.running.count) }
            return state.isIdle && state.hasIdleWaiters
        }
        if isIdle { noteIdle() }
    }

    /// Tells those who wait for it that nothing is under way, if that is so.
    func noteIdle() {
        let (onIdle, waiters) = state.withLock { state -> ((@Sendable () -> Void)?, [Once]) in
            guard state.isIdle else { return (nil, []) }
            defer { state.idleWaiters = [] }
            return (state.onIdle, state.idleWaiters)
        }
        onIdle?()
        for waiter in waiters { waiter.run() }
    }

    /// A call has its answer.
    ///
    /// - Parameter references: what the answer hands over.
    /// - Returns: the memory of the reply when it is of use for another one, else nothing.
    func finish(_ call: IncomingCall, reply: consuming SplitBytes, flags: ReplyFlags, _ references: OutgoingReferences?) -> [UInt8] {
        let rest = answer(call.id, reply, flags, references, on: call.link, of: call)
        remove(call)
        return rest
    }

    func cancel(_ frame: Frame, on link: any FrameLink) {
        let id = IncomingCall.ID(source: frame.peer, call: frame.call)
        // The call first: its result may be about to become a download.
        let (running, stream) = state.withLock { ($0.running[id.pair], $0.streams.all[id]) }
        if let running { stop(running) }
        stream?.cancel()
        let wasLeaving = state.withLock { $0.downloads.removeValue(forKey: id) != nil }
        // A cancelled call is answered too: its caller has given up, but the hub counts it until then.
        if drop(id, Self.cancelled) || wasLeaving {
            refuse(id, Self.cancelled, on: link)
            noteIdle()
        }
    }

    private static let cancelled = TelekinesisError(.cancelled, "the caller cancelled the call", ran: .maybe)

    // MARK: Replies

    /// - Returns: see ``finish(_:reply:flags:_:)``.
    @discardableResult
    private func answer(
        _ id: IncomingCall.ID, _ reply: consuming SplitBytes, _ flags: ReplyFlags, _ references: OutgoingReferences? = nil,
        on link: any FrameLink, of call: IncomingCall? = nil
    ) -> [UInt8] {
        var flags = flags
        let encoding = call?.head.encoding ?? .messagePack
        if references != nil, call?.callerHasGone == true {
            // Should it have come back, nobody there waits for what would be handed over.
            refuse(id, Self.cancelled, in: encoding, on: link)
            return []
        }
        if let references {
            reply.bytes.insert(contentsOf: references.table, at: FrameHead.size)
            flags.insert(.references)
        }
        let largest = FrameHead.size + FrameHead.maximumBody
        reply.join(beyond: largest)
        let size = min(reply.bytes.count, largest)
        let isLarge = size < reply.count
        if isLarge {
            guard state.withLock({ $0.resultBytes(of: id.source) <= configuration.maximumPartialBytes }) else {
                refuse(id, Self.resultsWait, in: encoding, on: link)
                return []
            }
            flags.insert(.more)
        }
        reply.bytes.withUnsafeMutableBytes { memory in
            FrameWriter.reply(
                over: UnsafeMutableRawBufferPointer(rebasing: memory[..<size]), flags: flags, peer: id.source, call: id.call)
        }
        let outcome: SendOutcome
        if let references {
            do throws(TelekinesisError) {
                outcome = try give(references, to: id.source, with: reply.bytes[..<size], on: link, of: call)
            } catch {
                var error = error
                error.ran = .yes
                refuse(id, error, in: encoding, on: link)
                return []
            }
        } else {
            outcome = reply.bytes.withUnsafeBytes {
                link.send(UnsafeRawBufferPointer(rebasing: $0[..<size]), count: 1, lane: .urgent, patch: .none, limit: QueueLimit.replies)
            }
        }
        switch outcome {
        case .closed: return []
        case .full:
            // An answer must not be lost without a word: the end of the connection is one.
            link.close(TelekinesisError(.overloaded, "the hub reads too slowly: answers can wait no longer", ran: .maybe))
            return []
        case .queued: break
        }
        guard isLarge else { return reply.count <= Self.largestSpare ? reply.bytes : [] }
        let download = Download(
            transfer: reply.tail.map { OutgoingTransfer($0, from: 0) } ?? OutgoingTransfer(reply.bytes, from: size), link: link)
        state.withLock { $0.downloads[id] = download }
        // A caller that has given up would take nothing more of it.
        if call?.isCancelled == true, state.withLock({ $0.downloads.removeValue(forKey: id) }) != nil {
            refuse(id, Self.cancelled, in: encoding, on: link)
            return []
        }
        pump(id)
        return []
    }

    /// Workers keep no more memory than that for the next reply.
    private static let largestSpare = 1024

    /// Sends the first frame of an answer that hands something over, and in front of it the word to the owners of what is others'.
    private func give(
        _ references: OutgoingReferences, to holder: NodeID, with frame: ArraySlice<UInt8>, on link: any FrameLink, of call: IncomingCall?
    ) throws(TelekinesisError) -> SendOutcome {
        let (shares, count) = try references.give(to: holder, in: registry)
        let outcome = (shares + frame).withUnsafeBytes {
            link.send($0, count: count + 1, lane: .urgent, patch: .none, limit: QueueLimit.replies)
        }
        // The end of the link, or of the caller, has freed what was held by then, but not what is given after it.
        if outcome != .queued || call?.callerHasGone == true { references.takeBack(from: holder, in: registry) }
        return outcome
    }

    private static let resultsWait = TelekinesisError(
        .overloaded, "large results of earlier calls wait for this caller to take them: it must read faster", ran: .yes)

    private func pump(_ id: IncomingCall.ID) {
        let mine = state.withLock { state -> Bool in
            guard let download = state.downloads[id], !download.isPumping else { return false }
            state.downloads[id]?.isPumping = true
            return true
        }
        guard mine else { return }
        while true {
            let (part, link) = state.withLock { state -> ((part: ArraySlice<UInt8>, isLast: Bool)?, (any FrameLink)?) in
                let part = state.downloads[id]?.unsent.take() ?? state.downloads[id]?.transfer.next()
                let link = state.downloads[id]?.link
                if part == nil { state.downloads[id]?.isPumping = false }
                return (part, link)
            }
            guard let part, let link else { return }
            let flags: ChannelFlags = part.isLast ? [.last, .towardsCaller] : .towardsCaller
            switch link.sendData(part.part, flags: flags, peer: id.source, call: id.call, limit: QueueLimit.data) {
            case .queued where !part.isLast: continue
            case .queued, .closed:
                _ = state.withLock { $0.downloads.removeValue(forKey: id) }
                return noteIdle()
            case .full:
                state.withLock { state in
                    state.downloads[id]?.unsent = part
                    state.downloads[id]?.isPumping = false
                }
                _ = loop.schedule(after: Self.pause) { [weak self] in self?.pump(id) }
                return
            }
        }
    }

    /// The caller takes more of a large result.
    func credit(_ frame: Frame, on link: any FrameLink) {
        let id = IncomingCall.ID(source: frame.peer, call: frame.call)
        state.withLock { $0.downloads[id]?.transfer.grant(frame.amount) }
        pump(id)
    }

    func refuse(_ id: IncomingCall.ID, _ error: TelekinesisError, in encoding: Encoding = .messagePack, on link: any FrameLink) {
        var writer = ReplyWriter.start()
        let flags = ReplyWriter.write(error, in: encoding, into: &writer)
        answer(id, SplitBytes(writer.bytes), flags, on: link)
    }

    // MARK: Peers

    func release(_ frame: Frame) {
        let isOfResult = ReleaseFlags(rawValue: frame.flags).contains(.result)
        if registry.release(frame.key, by: frame.peer, count: Int(frame.count), mayComeEarly: !isOfResult) { forgetDebtsLater() }
    }

    /// How long the word that something is handed over may come after it was given back, in nanoseconds: longer than a connection lives unheard.
    private static let debtTime: Int64 = 60_000_000_000

    private func forgetDebtsLater() {
        _ = loop.schedule(after: Self.debtTime) { [weak self] in
            if let self, registry.forgetOldDebts() { forgetDebtsLater() }
        }
    }

    /// A node has handed an object of this one to another.
    func share(_ frame: Frame) {
        do throws(TelekinesisError) {
            try registry.share(frame.key, with: frame.holder, by: frame.peer)
        } catch {
            configuration.logger.warning(
                "a reference that was handed on is not kept", ["giver": frame.peer.description, "error": error.description])
        }
    }

    /// A caller, or all of them, are about to be forgotten: calls of theirs that still run remember them.
    func keepCallers(_ caller: NodeID? = nil) {
        guard let session = node.session else { return }
        for call in state.withLock({ $0.running.values { _, call in caller == nil || call.id.source == caller } }) {
            if let caller = session.caller(call.id.source) { call.keep(caller) }
        }
    }

    /// A caller has gone: what it waits for is cancelled, what it made is released.
    func peerHasGone(_ peer: NodeID) {
        let calls = state.withLock { $0.running.values { _, call in call.id.source == peer } }
        for call in calls { stop(call) }
        loseReaders { $0.source == peer }
        let arriving = state.withLock { state in
            for id in state.downloads.keys.filter({ $0.source == peer }) { state.downloads[id] = nil }
            return state.uploads.calls.keys.filter { $0.source == peer }
        }
        for id in arriving { drop(id, Self.cancelled) }
        registry.releaseAll(of: peer)
        noteIdle()
    }

    /// The connection is gone, and with it every caller.
    func linkEnded() {
        let calls = state.withLock { $0.running.values { _, _ in true } }
        for call in calls { stop(call) }
        loseReaders { _ in true }
        let arriving = state.withLock { state in
            state.downloads = [:]
            return Array(state.uploads.calls.keys)
        }
        for id in arriving { drop(id, Self.cancelled) }
        registry.releaseAll()
        noteIdle()
    }

    /// The node was closed: what still comes is refused, and nothing is kept.
    func close() {
        refuseCalls()
        linkEnded()
        registry.close()
        home.end()
        for dispatcher in (others.withLock { $0.take() } ?? [:]).values { dispatcher.end() }
    }

    // MARK: Draining

    /// From now on calls are refused as `moved`.
    func refuseCalls() { state.withLock { $0.isRefusing = true } }

    /// Whether they are.
    var isRefusing: Bool { state.withLock { $0.isRefusing } }

    /// Calls that run, large arguments that arrive, their bytes, and large results that leave.
    var counts: [Int] { state.withLock { [$0.running.count, $0.uploads.calls.count, $0.uploads.bytes, $0.downloads.count] } }

    /// Whether no call runs and no result is on its way.
    var isIdle: Bool { state.withLock { $0.isIdle } }

    /// Waits until no call runs any more.
    func waitUntilIdle(atMost limit: Duration) async {
        await withCheckedContinuation { continuation in
            let once = Once { continuation.resume() }
            let timer = loop.schedule(after: limit.nanoseconds) { once.run() }
            let waiter = Once {
                timer.cancel()
                once.run()
            }
            state.withLock { $0.idleWaiters.append(waiter) }
            noteIdle()
        }
    }

    /// Says whom to tell whenever the last call has its answer.
    func onIdle(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onIdle = body } }
}

extension ReplyWriter {
    /// A whole reply with a value.
    ///
    /// - Parameter encoding: that of the call.
    static func encoded(_ value: some Encodable, in encoding: Encoding) -> SplitBytes {
        var writer = start()
        try? MessagePackEncoder().encode(value, into: &writer)
        if encoding == .json { try? writeAsJSON(&writer) }
        return SplitBytes(writer.bytes)
    }
}

/// Runs something at most once, whoever asks first.
final class Once: Sendable {
    private let body: Mutex<(@Sendable () -> Void)?>

    init(_ body: @escaping @Sendable () -> Void) { self.body = Mutex(body) }

    func run() { body.withLock { $0.take() }?() }
}
