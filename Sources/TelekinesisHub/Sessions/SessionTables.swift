internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// What the hub knows of one session. Pure: methods are events, results say what to do; the session takes the lock, asks, leaves the lock, acts.
///
/// Everything here is empty, and takes no memory, until it is used.
struct SessionTables: ~Copyable {
    /// Where the session stands.
    enum Phase {
        indirect case handshake(HubHandshake)
        case open(any FrameLink, Principal)
        case ended
    }

    /// Another session that this one has met.
    struct Peer {
        let session: HubSession
        let link: any FrameLink
        /// Which acquaintance of this session it is: a node that comes back is another one, with a higher number.
        let number: UInt64
        /// Which acquaintance of the other session this one is; 0 until the other end was told of it, in front of the first frame.
        var announced: UInt64 = 0
        /// Bytes that this session has used of its share of what waits for the other end.
        var excess = 0

        var isAnnounced: Bool { announced != 0 }
    }

    /// A routed call that has no answer yet.
    enum OpenCall {
        /// Until when its caller waits is a time of ``SessionTables/coarseTime``. One on an object that the provider has made takes no place there, and
        /// is no load of it.
        case at(Provider, deadline: UInt64, takesPlace: Bool)
        case waiting(NameEntry)
        /// It waited, and is being sent.
        case leaving(NameEntry, Provider, deadline: UInt64, takesPlace: Bool)

        var provider: Provider? {
            switch self {
            case .at(let provider, _, _), .leaving(_, let provider, _, _): provider
            case .waiting: nil
            }
        }

        /// A call that waited has been sent.
        mutating func hasLeft() {
            if case .leaving(_, let provider, let deadline, let takesPlace) = self {
                self = .at(provider, deadline: deadline, takesPlace: takesPlace)
            }
        }

        /// The call has its answer, or is given up.
        func finished() {
            switch self {
            case .at(let provider, _, takesPlace: true), .leaving(_, let provider, _, takesPlace: true): provider.finished()
            case .at, .waiting, .leaving: break
            }
        }
    }

    /// Where an object was created through a route, under a key of the caller's choice.
    enum Creation {
        case at(Provider)
        case waiting(NameEntry, CallID)
    }

    /// A name that this session serves.
    struct Publication {
        let entry: NameEntry
        let provider: Provider
    }

    var phase: Phase
    var peers = IntegerTable<Peer>()
    /// How many acquaintances there were so far.
    private var meetings: UInt64 = 0
    var open = IntegerTable<OpenCall>()
    var routes = IntegerTable<Route>()
    var created: [ActorKey: Creation] = [:]
    var published: [String: Publication] = [:]
    /// Calls of `watch` that wait.
    var watches: [CallID: HubSession.Watch] = [:]
    /// Places that the session holds, by handle.
    var reservations: [UInt32: Reservation] = [:]
    /// Rises each time the node comes back under the same id.
    var generation: UInt64 = 0
    /// The node was asked to leave: nothing of its waits here any more.
    private(set) var isAskedToLeave = false
    /// When open calls were last looked through, in nanoseconds of the loop's clock: no call asks for the time.
    private var coarseTime: UInt64 = 0
    /// Somebody will look through the open calls.
    private var isSweeping = false
    /// When that is.
    var sweepTimer: Timer?
    private var controlCalls: TokenBucket
    private var cancels: TokenBucket
    private var guesses: TokenBucket

    init(_ handshake: HubHandshake, limits: HubLimits, now: UInt64) {
        phase = .handshake(handshake)
        controlCalls = TokenBucket(limits.controlCalls, now: now)
        cancels = TokenBucket(limits.cancels, now: now)
        guesses = TokenBucket(limits.guesses, now: now)
    }

    var principal: Principal? { if case .open(_, let principal) = phase { principal } else { nil } }
    var link: (any FrameLink)? { if case .open(let link, _) = phase { link } else { nil } }
    var hasEnded: Bool { if case .ended = phase { true } else { false } }

    // MARK: Routed calls

    /// Where a routed call goes.
    enum Placement {
        /// - announced: the number under which the provider was told of this session; 0: it was not.
        case send(Provider, announced: UInt64)
        case wait(NameEntry)
        case refuse(TelekinesisError)
        /// The call is of no use to anybody: it names what does not exist.
        case guess(TelekinesisError)
    }

    /// What a routed call says of itself.
    struct Request {
        let id: CallID
        let flags: CallFlags
        let resultKey: ActorKey?
        /// Milliseconds for which the caller waits; all ones: for ever.
        let remaining: UInt32
    }

    /// A call by name arrived.
    ///
    /// - Parameter wait: puts the call into the queue of the name.
    mutating func place(
        _ call: Request, route: UInt32, limits: HubLimits, wait: (inout NameState, Wish) throws(TelekinesisError) -> Void
    ) -> Placement {
        if let refusal = admit(call, limits: limits) { return .refuse(refusal) }
        guard let route = routes[UInt64(route)] else {
            return .guess(TelekinesisError(.noSuchName, "route \(route) was never bound to a name", ran: .no))
        }
        let entry = route.entry
        do throws(TelekinesisError) {
            let placement = try entry.state.withLock { (state) throws(TelekinesisError) -> NameState.Placement in
                let placement = state.place(route.wish)
                switch placement {
                case .at, .hopeless(.reservationEnded): return placement
                case .hopeless(.nobody) where !call.flags.contains(.mayWait) && !isAskedToLeave: return placement
                case .busy, .hopeless:
                    try mayWait()
                    try wait(&state, route.wish)
                    return .busy
                }
            }
            switch placement {
            case .at(let provider): return send(call, to: provider, takesPlace: true)
            case .hopeless(let reason): return .refuse(entry.error(reason))
            case .busy: return noteWaiting(call, at: entry)
            }
        } catch {
            return .refuse(error)
        }
    }

    /// A call to an object whose creation went through a route arrived.
    mutating func place(
        _ call: Request, created key: ActorKey, limits: HubLimits, wait: (inout NameState, Wish) throws(TelekinesisError) -> Void
    ) -> Placement {
        if let refusal = admit(call, limits: limits) { return .refuse(refusal) }
        switch created[key] {
        case nil:
            let what = "nothing was created under this key, or its provider has gone"
            return .guess(TelekinesisError(.noSuchObject, what, ran: .no))
        case .at(let provider):
            let entry = provider.entry
            do throws(TelekinesisError) {
                let waits = try entry.state.withLock { (state) throws(TelekinesisError) -> Bool in
                    guard state.overtakesOthers(of: key) else { return false }
                    try mayWait()
                    try wait(&state, .any)
                    return true
                }
                guard waits else { return send(call, to: provider, takesPlace: false) }
            } catch {
                return .refuse(error)
            }
            return noteWaiting(call, at: entry)
        case .waiting(let entry, _):
            do throws(TelekinesisError) {
                try mayWait()
                try entry.state.withLock { (state) throws(TelekinesisError) in try wait(&state, .any) }
            } catch {
                return .refuse(error)
            }
            return noteWaiting(call, at: entry)
        }
    }

    private mutating func noteWaiting(_ call: Request, at entry: NameEntry) -> Placement {
        open.insert(.waiting(entry), for: call.id)
        if let key = call.resultKey { created[key] = .waiting(entry, call.id) }
        return .wait(entry)
    }

    private mutating func send(_ call: Request, to provider: Provider, takesPlace: Bool) -> Placement {
        let deadline = call.remaining == .max ? .max : coarseTime + UInt64(call.remaining) * 1_000_000
        open.insert(.at(provider, deadline: deadline, takesPlace: takesPlace), for: call.id)
        if let key = call.resultKey { created[key] = .at(provider) }
        // `update` looks at the entry in place: the subscript would retain what is in it.
        return .send(provider, announced: announced(to: provider))
    }

    /// The number under which a provider was told of this session; 0: it was not, though an earlier session of its node may have been.
    @inline(__always)
    private mutating func announced(to provider: Provider) -> UInt64 {
        peers.update(provider.node.rawValue) { $0.session === provider.session ? $0.announced : 0 } ?? 0
    }

    private borrowing func admit(_ call: Request, limits: HubLimits) -> TelekinesisError? {
        guard !hasEnded else { return TelekinesisError(.disconnected, "the session has ended", ran: .no) }
        guard open.count < limits.callsPerSession else {
            let what = "\(limits.callsPerSession) calls of this node are in flight: await some first"
            return TelekinesisError(.overloaded, what, ran: .no)
        }
        if let key = call.resultKey {
            guard created[key] == nil else { return TelekinesisError(.invalidUse, "the key of the result is in use", ran: .no) }
            guard created.count < limits.createdPerSession else {
                return TelekinesisError(.overloaded, "\(limits.createdPerSession) created objects are not yet confirmed", ran: .no)
            }
        }
        return nil
    }

    /// The node is asked to finish what is under way and to leave.
    ///
    /// - Returns: its calls that wait, which are not to wait any longer.
    mutating func askToLeave() -> [(CallID, NameEntry)] {
        isAskedToLeave = true
        var waiting: [(CallID, NameEntry)] = []
        open.forEach { id, call in if case .waiting(let entry) = call { waiting.append((id, entry)) } }
        return waiting
    }

    /// Calls to be repeated elsewhere are refused at once: here they would only be waited for.
    borrowing func mayWait() throws(TelekinesisError) {
        if isAskedToLeave { throw .hubIsClosing }
    }

    /// A call that waited starts to leave.
    ///
    /// - Parameter picked: where it has a place; `nil` for one to an object that it names.
    /// - Returns: where it goes; `nil` when it is of no use any more.
    mutating func leave(_ waiting: WaitingCall, to picked: Provider?) -> (Provider, announced: UInt64)? {
        guard !hasEnded, case .waiting(let entry) = open[waiting.id] else { return nil }
        var provider = picked
        if case .created(let key) = waiting.purpose {
            guard case .at(let creator) = created[key] else {
                if let result = waiting.resultKey { forgetCreation(of: result, by: waiting.id) }
                return nil
            }
            provider = creator
        }
        guard let provider else { return nil }
        open.insert(.leaving(entry, provider, deadline: waiting.deadline, takesPlace: picked != nil), for: waiting.id)
        if let key = waiting.resultKey { created[key] = .at(provider) }
        return (provider, announced(to: provider))
    }

    /// Takes an open call out: it could not be sent, or is answered by the hub.
    ///
    /// - Returns: `false` when somebody else has done so.
    @discardableResult
    mutating func close(_ id: CallID) -> Bool {
        guard let call = open.remove(id) else { return false }
        call.finished()
        return true
    }

    /// What becomes of a call whose provider turned out to be gone when it was leaving.
    enum Return {
        case waits
        /// It is nobody's concern any more, and has no answer yet.
        case cancelled
        /// It has no answer yet, and is not to wait any more: the hub is closing.
        case refused
        /// Somebody else has seen to it.
        case ended
    }

    /// The provider that a call was leaving for turned out to be gone: it waits again.
    ///
    /// - Parameter putBack: puts it back into the queue, if it is still wanted.
    mutating func waitAgain(_ call: WaitingCall, at entry: NameEntry, putBack: () -> Bool) -> Return {
        guard case .leaving(_, let provider, _, _) = open[call.id] else { return .ended }
        if let key = call.resultKey { forgetCreation(of: key, at: provider) }
        close(call.id)
        guard !isAskedToLeave else { return .refused }
        guard putBack() else { return .cancelled }
        open.insert(.waiting(entry), for: call.id)
        if let key = call.resultKey { created[key] = .waiting(entry, call.id) }
        return .waits
    }

    /// Forgets that a created object was to be found anywhere: its creation failed before it began.
    mutating func forgetCreation(of key: ActorKey, by id: CallID) {
        if case .waiting(_, id) = created[key] { created[key] = nil }
    }

    /// Forgets that a created object was to be found at a provider: the provider had gone when its creation was to be sent there.
    mutating func forgetCreation(of key: ActorKey, at provider: Provider) {
        if case .at(let creator) = created[key], creator.session === provider.session { created[key] = nil }
    }

    /// What a reply that came from another session is.
    enum Answer {
        /// To a routed call that was at that session.
        case routed
        /// To a call on a reference, or a late one: the caller knows whom it asked.
        case other
        /// To a routed call that is somewhere else.
        case foreign
    }

    /// A reply came from another session.
    ///
    /// - Parameter isLast: whether nothing follows.
    mutating func answer(_ id: CallID, by session: HubSession, isLast: Bool) -> Answer {
        guard let isItsOwn = open.update(id, { $0.provider?.session === session }) else { return .other }
        guard isItsOwn else { return .foreign }
        if isLast { close(id) }
        return .routed
    }

    /// A session that this one knew has ended.
    ///
    /// - Returns: the calls that were at it, and which acquaintance it was; `nil` when it is none.
    mutating func lose(_ session: HubSession, node: NodeID) -> (calls: [CallID], number: UInt64)? {
        guard let peer = peers[node.rawValue], peer.session === session else { return nil }
        peers.remove(node.rawValue)
        var lost: [CallID] = []
        open.forEach { id, call in if call.provider?.session === session { lost.append(id) } }
        for id in lost { close(id) }
        if !created.isEmpty {
            created = created.filter { if case .at(let provider) = $0.value { provider.session !== session } else { true } }
        }
        return (lost, peer.number)
    }

    // MARK: Acquaintances

    /// What becomes of an introduction.
    enum Meeting {
        /// The two have met; how often this session had met somebody by then.
        case met(UInt64, isNew: Bool)
        /// An earlier session of the node is here, to which nobody has said farewell yet.
        case earlier(Peer)
    }

    /// Another session is to be an acquaintance.
    mutating func meet(_ other: HubSession, _ node: NodeID, _ link: any FrameLink, limit: Int) throws(Unreachable) -> Meeting {
        guard case .open = phase else { throw .gone }
        if let known = peers[node.rawValue] { return known.session === other ? .met(known.number, isNew: false) : .earlier(known) }
        guard peers.count < limit else { throw .tooManyPeers }
        meetings += 1
        peers.insert(Peer(session: other, link: link, number: meetings), for: node.rawValue)
        return .met(meetings, isNew: true)
    }

    /// The two did not meet after all.
    ///
    /// - Returns: `false` when they did, since this session has spoken to the other one.
    mutating func forget(_ node: NodeID, number: UInt64) -> Bool {
        guard let peer = peers[node.rawValue], peer.number == number, !peer.isAnnounced else { return false }
        peers.remove(node.rawValue)
        return true
    }

    /// The acquaintance that serves a call by name.
    func peer(for provider: Provider) -> Peer? {
        guard let peer = peers[provider.node.rawValue], peer.session === provider.session else { return nil }
        return peer
    }

    // MARK: Calls that are never answered

    /// A call is about to be noted.
    ///
    /// - Returns: whether the open calls have to be looked through from now on.
    mutating func beginSweeping(now: @autoclosure () -> UInt64) -> Bool {
        guard !isSweeping else { return false }
        isSweeping = true
        coarseTime = now()
        return true
    }

    /// Takes out the calls that should have been answered long ago.
    ///
    /// - Parameter grace: nanoseconds for which an answer may be late.
    /// - Returns: them, and whether others are left to be looked through.
    mutating func sweep(now: UInt64, grace: UInt64) -> (expired: [(id: CallID, provider: Provider)], goesOn: Bool) {
        coarseTime = now
        var expired: [(id: CallID, provider: Provider)] = []
        open.forEach { id, call in
            if case .at(let provider, let deadline, _) = call, deadline != .max, now > deadline, now - deadline >= grace {
                expired.append((id, provider))
            }
        }
        for (id, _) in expired { close(id) }
        isSweeping = !open.isEmpty
        return (expired, isSweeping)
    }

    // MARK: Rates

    mutating func mayCallControl(_ limits: HubLimits, now: UInt64) -> Bool { controlCalls.take(limits.controlCalls, now: now) }
    mutating func mayCancel(_ limits: HubLimits, now: UInt64) -> Bool { cancels.take(limits.cancels, now: now) }
    mutating func mayGuess(_ limits: HubLimits, now: UInt64) -> Bool { guesses.take(limits.guesses, now: now) }
}
