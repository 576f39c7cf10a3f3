internal import MessagePack
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension NodeSession {
    /// Starts the handshake on a fresh link, whose frames must come to this session, and waits until the session is open.
    func open(_ link: any FrameLink) async throws {
        let ticket = state.withLock { $0.ticket }
        let hello = NodeHello(
            agent: configuration.agent, nonce: .random(count: 32), methods: [], ticket: ticket, maximumValue: configuration.maximumValue)
        let handshake = NodeHandshake(hello, credentials: configuration.credentials ?? [OpenAccess()])
        let first = try handshake.start()
        try await withCheckedThrowingContinuation { continuation in
            let ended = state.withLock { state -> TelekinesisError? in
                if case .stopped(let reason) = state.phase { return reason }
                if let reason = state.lastEnd { return reason }
                state.phase = .shakingHands(link, handshake)
                state.opened = continuation
                return nil
            }
            if let ended {
                link.close(ended)
                continuation.resume(throwing: ended)
            } else {
                link.send(first)
            }
        }
    }

    /// Forgets how the last link ended: a new one is about to be made.
    func prepareForLink() { state.withLock { $0.lastEnd = nil } }

    /// Waits until the current link has ended.
    func linkEnd() async -> TelekinesisError {
        await withCheckedContinuation { continuation in
            let ended = state.withLock { state -> TelekinesisError? in
                if let ended = state.lastEnd { return ended }
                state.linkEnded = continuation
                return nil
            }
            if let ended { continuation.resume(returning: ended) }
        }
    }

    func shakeHands(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        guard case .shakingHands(let current, var handshake) = state.withLock({ $0.phase }), current === link else {
            throw TelekinesisError(.protocolViolation, "an unexpected frame of the handshake")
        }
        do {
            let action = try handshake.receive(frame)
            let next = handshake
            state.withLock { if case .shakingHands = $0.phase { $0.phase = .shakingHands(link, next) } }
            switch action {
            case .send(let answer): link.send(answer)
            case .opened(let welcome): opened(welcome, on: link)
            }
        } catch let error as TelekinesisError {
            throw error
        } catch {
            throw TelekinesisError(.protocolViolation, "the handshake failed: \(error)", cause: error)
        }
    }

    /// The hub has taken the node in: names are bound and published anew, then what waited goes, then the session is open.
    private func opened(_ welcome: Welcome, on link: any FrameLink) {
        (link as? Link)?.open()
        let routes = state.withLock { state -> [NameRoute]? in
            // The node may have been closed meanwhile.
            guard case .shakingHands(let current, _) = state.phase, current === link else { return nil }
            isLetIn.store(true, ordering: .relaxed)
            state.nodeID = NodeID(rawValue: welcome.node)
            state.ticket = welcome.ticket ?? state.ticket
            state.phase = .opening(link)
            state.refusal = nil
            state.unreachable = nil
            isDraining.store(false, ordering: .relaxed)
            return state.routes.live
        }
        guard let routes else { return }
        for route in routes { rebind(route, on: link) }
        for publication in publications.all { republish(publication, on: link) }
        if let lifetime = welcome.ticketLifetime, welcome.ticket != nil { renewTicket(every: lifetime / 3, on: link) }
        while true {
            let (calls, opened) = state.withLock { state -> ([OutgoingCall], CheckedContinuation<Void, any Error>?) in
                guard case .opening(let current) = state.phase, current === link else { return ([], nil) }
                defer { state.held = [] }
                // Some come from behind a large call, some from a link that ended: their ids say in which order they were made.
                guard state.held.isEmpty else { return (state.held.sorted { $0.id < $1.id }, nil) }
                state.phase = .open(link)
                defer { state.opened = nil }
                return ([], state.opened)
            }
            if calls.isEmpty {
                opened?.resume()
                return
            }
            transmit(calls, on: link)
        }
    }

    /// Sees to it that the ticket of a node that stays connected for long does not grow too old: it must be good when the connection ends.
    ///
    /// - Parameter seconds: how often another ticket is asked for. A third of what one is good for, so that a request may fail.
    private func renewTicket(every seconds: Double, on link: any FrameLink) {
        // Once a minute at most, whatever the hub says, and be it no number.
        let pause = Int64((seconds > 60 ? min(seconds, 1e9) : 60) * 1e9)
        // Not weakly, which would make every retain of the session slower (decision 007); the end of the link or of the node cancels the timer.
        let timer = loop.schedule(after: pause) {
            self.control(HubService.renewTicket, Int?.none, on: link) { result in
                guard case .success(let reply) = result, result.failure == nil,
                    let answer = try? MessagePackDecoder().decode(TicketAnswer.self, from: [UInt8](reply.body.joined.dropFirst()))
                else { return }
                self.state.withLock { $0.ticket = answer.ticket ?? $0.ticket }
            }
            self.renewTicket(every: seconds, on: link)
        }
        let isCurrent = state.withLock { state in
            guard state.phase.link === link else { return false }
            state.ticketTimer = timer
            return true
        }
        if !isCurrent { timer.cancel() }
    }

    // MARK: Words to the hub that are not held back

    private func rebind(_ route: NameRoute, on link: any FrameLink) {
        let (name, choice) = (route.name, route.choice)
        control(HubService.resolve, route.request(wait: false), on: link) { self.resolved(name, choice, $0) }
    }

    /// Publishes again what was published on an earlier connection; tries again while somebody else holds the name.
    private func republish(_ publication: Publication, on link: any FrameLink) {
        guard publication.standing.load(ordering: .relaxed) != .lost else { return }
        control(HubService.publish, publication.renewal, on: link) { [weak self] result in
            guard let self else { return }
            switch result.failure?.code {
            case nil: publication.note(isTaken: false)
            case .nameTaken: publication.note(isTaken: true)
            default: break
            }
            guard let error = result.failure, publications.contains(publication) else { return }
            configuration.logger.warning(
                "a name could not be published again", ["name": publication.name.description, "error": "\(error)"])
            guard [.nameTaken, .overloaded, .deadlineExceeded].contains(error.code) else { return }
            _ = loop.schedule(after: 2_000_000_000) { [weak self] in
                guard let self, let link = state.withLock({ $0.phase.link }), publications.contains(publication) else { return }
                republish(publication, on: link)
            }
        }
    }

    /// Calls a method of the hub on a link that is not open to other calls yet.
    private func control(
        _ selector: Selector, _ request: some Codable & Sendable, on link: any FrameLink,
        completion: @escaping @Sendable (Result<Reply, TelekinesisError>) -> Void
    ) {
        guard let frame = try? ControlCall.frame(selector, request) else { return }
        let id = nextCall.add(1, ordering: .relaxed).oldValue
        let now = loop.now
        let deadline = now + CallScope.defaultDeadline
        let call = OutgoingCall(id: id, target: ControlCall.target, flags: [], deadline: deadline, frame: frame, now: now)
        let timerIsDue = state.withLock { state in
            state.pending.insert(
                id, .init(completion: .callback(completion), peer: .hub, deadline: deadline, deadlineWasChosen: false, wasSent: true))
        }
        if timerIsDue { scheduleDeadline(deadline) }
        transmit(call, on: link)
    }
}

/// Calls of the hub's own methods.
enum ControlCall {
    /// The hub: the object with key 0 at node 0.
    static let target = ActorTarget(.object(.control), .remote)

    static func frame(_ selector: Selector, _ request: some Codable & Sendable) throws -> SplitBytes {
        var encoder = CallEncoder()
        try encoder.append(request)
        return encoder.frame(selector: selector, signature: 0)
    }
}

extension NodeSession {
    /// Makes a call of the hub that gives something back or takes something for this node, and waits for its answer: whatever has become of the task, it
    /// is made, and an answer for which the task's deadline leaves no time is not lost.
    ///
    /// - Parameter late: gets an answer for which nobody waits any more.
    nonisolated(nonsending) func settle(
        _ frame: SplitBytes, late: @escaping @Sendable (Result<Reply, TelekinesisError>) -> Void = { _ in }
    ) async throws -> Reply {
        let now = loop.now
        let deadline = CallScope.current.deadline(at: now).time
        return try await withCheckedThrowingContinuation { continuation in
            let waiter = Waiter(continuation)
            let timer = loop.schedule(after: Int64(clamping: deadline > now ? deadline - now : 0)) {
                waiter.take()?.resume(throwing: TelekinesisError(.deadlineExceeded, "the hub has not answered in time", ran: .maybe))
            }
            CallScope.$current.withValue(CallScope(deadline: CallScope.now + Self.timeToSettle)) {
                start(frame, to: ControlCall.target) { result in
                    timer.cancel()
                    if let waiter = waiter.take() { waiter.resume(with: result.mapError { $0 }) } else { late(result) }
                }
            }
        }
    }

    /// Somebody who waits, until an answer or a deadline takes him out.
    private final class Waiter: Sendable {
        private let continuation: Mutex<CheckedContinuation<Reply, any Error>?>

        init(_ continuation: CheckedContinuation<Reply, any Error>) { self.continuation = Mutex(continuation) }

        func take() -> CheckedContinuation<Reply, any Error>? { continuation.withLock { $0.take() } }
    }

    /// How long the hub may take for it, whenever the task's own deadline is, in nanoseconds.
    private static let timeToSettle: UInt64 = 300_000_000_000

    /// Tells the hub something, whatever the deadline of the running task is. With the end of the connection the hub knows by itself.
    func tell(_ frame: SplitBytes) {
        CallScope.$current.withValue(CallScope()) { start(frame, to: ControlCall.target) { _ in } }
    }
}

extension Result where Success == Reply, Failure == TelekinesisError {
    /// The error, whether it came as an answer or in place of one.
    var failure: TelekinesisError? {
        switch self {
        case .failure(let error): error
        case .success(let reply): reply.flags.contains(.isError) ? reply.error : nil
        }
    }
}
