internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// A node's side of its session with the hub: it outlives connections, and every frame in either direction passes here once.
///
/// This file holds the state and what becomes of a frame that arrives. `NodeSession+Calls` has the calls on their way out, `NodeSession+Uploads` their
/// large arguments, `NodeSession+Ending` how they end; `NodeSession+Opening` the way from a fresh link to an open session. Calls that arrive are the
/// business of ``IncomingCalls``.
final class NodeSession: FrameReceiver {
    /// Where the session stands.
    enum Phase {
        /// There is no connection; calls wait for one.
        case connecting
        /// The handshake is under way.
        case shakingHands(any FrameLink, NodeHandshake)
        /// Names and waiting calls are being sent; new calls queue behind them.
        case opening(any FrameLink)
        case open(any FrameLink)
        /// The hub has asked for no new calls on this connection; they wait for the next.
        case draining(any FrameLink)
        case stopped(TelekinesisError)
    }

    struct State: ~Copyable {
        var phase = Phase.connecting
        var nodeID = NodeID.hub
        var ticket: [UInt8]?
        /// When another one is asked for.
        var ticketTimer: Timer?
        var pending = PendingCalls()
        /// The node is shutting down: no call waits for another connection.
        var isLeaving = false
        /// Calls that wait for a connection, in order.
        var held: [OutgoingCall] = []
        var order = SendOrder()
        var uploads: [CallID: Upload] = [:]
        /// Streams of other nodes that are read here, by the call that opened them. Those calls are pending as well.
        var streams: [CallID: IncomingStream] = [:]
        /// What calls hand over whose provider is not known before its answer has come.
        var handedOver: [CallID: OutgoingReferences] = [:]
        var routes = RouteTable()
        var deadlineAlarm = DeadlineAlarm<Timer>()
        /// Told once how the current attempt to open a session ended.
        var opened: CheckedContinuation<Void, any Error>?
        /// Told when the current link has ended.
        var linkEnded: CheckedContinuation<TelekinesisError, Never>?
        var lastEnd: TelekinesisError?
        /// Why whoever answers at the hub's address has not let this node in the last time; `nil` when it has, or when nobody answers.
        var refusal: TelekinesisError?

        /// Whether calls have left and have no answer yet: all but those that wait for a connection. Streams may go on for ever, and do not count.
        var awaitsAnswers: Bool { pending.count > held.count + streams.keys.count { pending.wasSent($0) } }

        /// Takes out the calls that end with their link.
        mutating func takeLost() -> [(id: CallID, entry: PendingCalls.Entry)] {
            isLeaving ? pending.removeAll { _ in true } : pending.removeAll { $0.wasSent }
        }

        /// Takes out the calls that wait for a connection. They are to be let go outside of the lock: with the last call that knows it a
        /// name's route ends, and comes here to give itself back.
        mutating func takeHeld() -> [OutgoingCall] {
            defer { held = [] }
            return held
        }

        /// Takes out those that have ended while they waited, to be let go in the same way.
        mutating func takeEnded() -> [OutgoingCall] {
            let all = takeHeld()
            held = all.filter { pending.contains($0.id) }
            return all
        }
    }

    let configuration: NodeConfiguration
    let loop: EventLoop
    let incoming: IncomingCalls
    let publications = Publications()
    /// See every call that this node makes.
    let interceptors = Interceptors()
    /// The other nodes that this one has to do with.
    let acquaintances = Mutex<[NodeID: Acquaintance]>([:])
    let state = Mutex(State())
    let nextCall = Atomic<CallID>(1)
    /// The hub has shown who it is and has let this node in: until then it has no say.
    let isLetIn = Atomic<Bool>(false)
    /// Whether some call hands something over whose provider is not known yet.
    let handsOver = Atomic<Bool>(false)
    /// Rises with the end of each connection, and with it end the reservations that were made on it.
    let connection = Atomic<UInt64>(0)
    /// The hub has asked the current connection to end.
    let isDraining = Atomic<Bool>(false)

    init(configuration: NodeConfiguration, loop: EventLoop) {
        self.configuration = configuration
        self.loop = loop
        incoming = IncomingCalls(loop: loop, configuration: configuration)
        incoming.node.session = self
    }

    deinit { incoming.node.session = nil }

    /// Where things that belong to the node find it.
    var home: NodeHome { incoming.node }

    // MARK: Frames that arrive

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        switch frame.type {
        case .hello, .welcome: try shakeHands(frame, on: link)
        case .bye: throw try byeReceived(frame, on: link)
        case _ where !isLetIn.load(ordering: .relaxed):
            throw TelekinesisError(.protocolViolation, "the hub sent an unexpected frame during the handshake")
        case .call: incoming.call(frame, on: link)
        case .reply: reply(frame, on: link)
        case .cancel: incoming.cancel(frame, on: link)
        case .data:
            if frame.channel == Channel.stream {
                elementsCame(frame, on: link)
            } else if ChannelFlags(rawValue: frame.flags).contains(.towardsCaller) {
                resultContinues(frame, on: link)
            } else {
                incoming.argumentsContinue(frame, on: link)
            }
        case .credit:
            if frame.channel == Channel.stream {
                incoming.creditForStream(frame)
            } else if ChannelFlags(rawValue: frame.flags).contains(.towardsCaller) {
                incoming.credit(frame, on: link)
            } else {
                creditForArguments(frame)
            }
        case .share: incoming.share(frame)
        case .release: incoming.release(frame)
        case .peer: try introduced(frame)
        case .gone: peerHasGone(frame.peer, number: frame.call)
        case .drain: drain(link)
        case .replaced: replaced(frame)
        case .proof: throw TelekinesisError(.protocolViolation, "only a node sends a proof")
        case .end, .note, .settled, .ping, .pong, nil: break
        }
    }

    private func byeReceived(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) -> TelekinesisError {
        do {
            return try Handshake.goodbye(in: frame, ran: .maybe)
        } catch {
            throw TelekinesisError(.protocolViolation, "a goodbye that cannot be read", cause: error)
        }
    }

    /// Another node has gone.
    ///
    /// - Parameter number: the hub's number of the acquaintance; 0 where there was none.
    func peerHasGone(_ peer: NodeID, number: UInt64) {
        // The hub's end is that of the link.
        guard peer != .hub else { return }
        switch forgetAcquaintance(peer, number: number) {
        case .past: return
        case .stranger:
            // Nothing of it runs here, and a call to it is answered by the hub: all that can be is what was handed on to it.
            return incoming.registry.releaseAll(of: peer)
        case .present: break
        }
        incoming.peerHasGone(peer)
        let lost = state.withLock { $0.pending.removeAll { $0.peer == peer } }
        for (id, entry) in lost {
            abandonUpload(id)
            entry.completion.resume(
                .failure(TelekinesisError(.disconnected, "the provider has gone while the call was under way", ran: .maybe)))
        }
        leaveIfDrainedSoon()
    }

    /// Another node has taken over a name of this one.
    private func replaced(_ frame: Frame) {
        guard frame.body.count > 16, let name = try? ServiceName(String(decoding: frame.body[16...], as: UTF8.self)),
            let publication = publications.find(name), publication.key == ActorKey(loading: frame.body, at: 0)
        else { return }
        publication.standing.store(.lost, ordering: .relaxed)
        configuration.logger.warning("another node has taken a name over", ["name": name.description])
    }

    private func drain(_ link: any FrameLink) {
        state.withLock { state in
            guard case .open(let current) = state.phase, current === link else { return }
            state.phase = .draining(link)
            isDraining.store(true, ordering: .relaxed)
        }
        incoming.onIdle { [weak self] in self?.leaveIfDrained() }
        leaveIfDrained()
    }

    /// Says goodbye on a draining link once nothing is under way in either direction.
    func leaveIfDrained() {
        let (link, ended) = state.withLock { state -> ((any FrameLink)?, [OutgoingCall]) in
            guard case .draining(let link) = state.phase else { return (nil, []) }
            let ended = state.takeEnded()
            return (!state.awaitsAnswers && incoming.isIdle ? link : nil, ended)
        }
        withExtendedLifetime(ended) {}
        link?.close(TelekinesisError(.draining, "the hub asked this connection to end"))
    }

    // MARK: The end of a link

    /// Who is to be told that a link has ended.
    private struct End {
        var lost: [(id: CallID, entry: PendingCalls.Entry)] = []
        var opened: CheckedContinuation<Void, any Error>?
        var linkEnded: CheckedContinuation<TelekinesisError, Never>?
        /// What is let go outside of the lock.
        var uploads: [CallID: Upload] = [:]
        var handedOver: [CallID: OutgoingReferences] = [:]
        var held: [OutgoingCall] = []
        var ticketTimer: Timer?
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) {
        let end = state.withLock { state -> End in
            switch state.phase {
            case .shakingHands(let current, _), .opening(let current), .open(let current), .draining(let current):
                guard current === link else { return End() }
            case .connecting, .stopped: break
            }
            if case .stopped = state.phase {} else { state.phase = .connecting }
            isLetIn.store(false, ordering: .relaxed)
            connection.add(1, ordering: .relaxed)
            state.lastEnd = reason
            let held = Set(state.held.map(\.id))
            state.held += state.order.removeAll().filter { !held.contains($0.id) }.map(\.mayWait)
            for call in state.held { _ = try? state.pending.update(call.id) { $0.wasSent = false } }
            defer {
                state.uploads = [:]
                state.handedOver = [:]
            }
            return End(
                lost: state.takeLost(), opened: state.opened.take(), linkEnded: state.linkEnded.take(), uploads: state.uploads,
                handedOver: state.handedOver, held: state.isLeaving ? state.takeHeld() : state.takeEnded(),
                ticketTimer: state.ticketTimer.take())
        }
        end.ticketTimer?.cancel()
        forgetAcquaintances()
        for references in end.handedOver.values { references.unpin(in: incoming.registry) }
        incoming.linkEnded()
        let error = TelekinesisError(
            .disconnected, "the connection to the hub was lost: \(reason.message.sentence)", ran: .maybe, cause: reason)
        for (_, entry) in end.lost { entry.completion.resume(.failure(entry.wasSent ? error : Self.isLeaving)) }
        end.opened?.resume(throwing: reason)
        end.linkEnded?.resume(returning: reason)
    }

    /// From now on no call waits for another connection.
    func leave() {
        let (waiting, held) = state.withLock { state in
            state.isLeaving = true
            return (state.pending.removeAll { !$0.wasSent }, state.takeHeld())
        }
        withExtendedLifetime(held) {}
        for (_, entry) in waiting { entry.completion.resume(.failure(Self.isLeaving)) }
    }

    /// Whoever answers at the hub's address does not let this node in. Calls that wait for a connection are told, and so are new ones, until it does.
    func refused(_ reason: TelekinesisError) {
        var reason = reason
        reason.ran = .no
        let (waiting, held) = state.withLock { state in
            state.refusal = reason
            return (state.pending.removeAll { !$0.wasSent }, state.takeHeld())
        }
        withExtendedLifetime(held) {}
        for (_, entry) in waiting { entry.completion.resume(.failure(reason)) }
    }

    static let isLeaving = TelekinesisError(.disconnected, "there is no connection to the hub, and the node is shutting down")

    /// Ends the session for good. Everything that waits fails.
    func stop(_ reason: TelekinesisError) {
        let (link, waiting, held, handedOver, uploads, timer) = state.withLock { state in
            let link: (any FrameLink)? =
                switch state.phase {
                case .shakingHands(let link, _), .opening(let link), .open(let link), .draining(let link): link
                case .connecting, .stopped: nil
                }
            state.phase = .stopped(reason)
            state.ticketTimer.take()?.cancel()
            defer {
                state.handedOver = [:]
                state.uploads = [:]
            }
            // A call may have got into the queues behind large ones after its link had ended.
            let held = state.takeHeld() + state.order.removeAll()
            return (link, state.pending.removeAll { _ in true }, held, state.handedOver, state.uploads, state.deadlineAlarm.stop())
        }
        timer?.cancel()
        withExtendedLifetime((held, uploads)) {}
        for references in handedOver.values { references.unpin(in: incoming.registry) }
        forgetAcquaintances()
        link?.close(reason)
        for (_, entry) in waiting {
            var error = reason
            error.ran = entry.wasSent ? .maybe : .no
            entry.completion.resume(.failure(error))
        }
        incoming.close()
    }

    /// The node's id; 0 before the first welcome.
    var nodeID: NodeID { state.withLock { $0.nodeID } }
}
