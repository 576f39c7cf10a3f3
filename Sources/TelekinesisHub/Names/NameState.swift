internal import Synchronization
internal import TelekinesisProtocol

/// Who serves a name and what waits for that. Pure: time is given, what is to be sent is returned.
struct NameState: Sendable {
    /// What all providers of a name agree on.
    struct Service: Sendable {
        var kind: ServiceKind
        var sharing: Sharing
        /// The only one that they read.
        var encoding: OnlyEncoding?
        var principal: Principal
        /// Nanoseconds of the hub's clock.
        var since: UInt64
        /// As the latest of them asked.
        var balancing: Balancing
    }

    /// What became of a request to publish.
    enum Publication {
        /// It is there.
        case added(replacing: [Provider])
        /// It was there.
        case unchanged
        case refused(TelekinesisError)
    }

    private(set) var service: Service?
    private(set) var providers: [Provider] = []
    /// Whether the name was ever served since somebody first asked for it.
    private(set) var wasServed = false
    /// Route handles that lead here.
    private(set) var bindings = 0
    private(set) var waiting = WaitingCalls()
    /// Places that are held.
    private(set) var seats: [Provider] = []
    /// Nobody of those who wait can go, as things stand.
    private var isSettled = true
    private var turn = 0

    /// Whether nobody would miss the name.
    var isUnused: Bool { providers.isEmpty && bindings == 0 && waiting.isEmpty }

    // MARK: Providers

    /// Somebody wants to serve the name.
    ///
    /// - Parameter sharesWith: whether the applicant may serve a name together with a principal, or take it over.
    mutating func publish(
        _ provider: Provider, _ request: PublishRequest, by principal: Principal, now: UInt64, sharesWith: (Principal) -> Bool
    ) -> Publication {
        if let service, !providers.isEmpty {
            let isReplacement = request.sharing == .replace
            if let own = providers.first(where: { $0.session === provider.session }) {
                if own.key == provider.key, own.concurrency == provider.concurrency, service.kind == request.kind,
                    service.sharing == request.lastingSharing, service.encoding == request.encoding
                {
                    self.service?.balancing = request.balancing ?? .leastOutstanding
                    return .unchanged
                }
                guard isReplacement else {
                    let how = own.key == provider.key ? " in another way" : ""
                    let what = "this node itself publishes “\(request.name)”\(how): withdraw it first"
                    return .refused(TelekinesisError(.nameTaken, what, ran: .no))
                }
            }
            guard sharesWith(service.principal) else { return .refused(taken(request.name, service, now: now)) }
            if isReplacement {
                let old = providers
                for provider in old { remove(provider) }
                add(provider, request, by: principal, now: now)
                return .added(replacing: old)
            }
            guard service.sharing == .shared, request.sharing == .shared else { return .refused(taken(request.name, service, now: now)) }
            guard service.kind == request.kind else {
                let what = "“\(request.name)” is served as \(service.kind.rawValue), not as \(request.kind.rawValue)"
                return .refused(TelekinesisError(.nameTaken, what, ran: .no))
            }
            guard service.encoding == request.encoding else {
                let what =
                    "the providers of “\(request.name)” read \(service.encoding == nil ? "MessagePack too" : "JSON only"): "
                    + "all of a name must read the same"
                return .refused(TelekinesisError(.nameTaken, what, ran: .no))
            }
            providers.append(provider)
            isSettled = false
            self.service?.balancing = request.balancing ?? .leastOutstanding
            return .added(replacing: [])
        }
        add(provider, request, by: principal, now: now)
        return .added(replacing: [])
    }

    private mutating func add(_ provider: Provider, _ request: PublishRequest, by principal: Principal, now: UInt64) {
        service = Service(
            kind: request.kind, sharing: request.lastingSharing, encoding: request.encoding, principal: principal, since: now,
            balancing: request.balancing ?? .leastOutstanding)
        providers.append(provider)
        isSettled = false
        wasServed = true
    }

    private func taken(_ name: String, _ service: Service, now: UInt64) -> TelekinesisError {
        let age = (now - min(now, service.since)) / 1_000_000_000
        return TelekinesisError(
            .nameTaken,
            "“\(name)” is held \(service.sharing == .shared ? "as shared" : "exclusively") by \(service.principal.name), who published it \(age) s ago: "
                + "publish it as shared at every provider, take another name, or use .replace", ran: .no)
    }

    /// A provider is no more, and with it the places that are held there. Those who wait may have to be told.
    mutating func remove(_ provider: Provider) {
        providers.removeAll { $0 === provider }
        isSettled = false
        if providers.isEmpty { service = nil }
        for seat in seats where seat.whole === provider { _ = endReservation(seat) }
    }

    // MARK: Choosing

    /// Where a call goes.
    enum Placement {
        /// There; it counts from now on.
        case at(Provider)
        /// The name is served, but nobody has room, or others wait in front.
        case busy
        /// Waiting for room is of no use.
        case hopeless(Hopelessness)
    }

    /// A call comes.
    mutating func place(_ wish: Wish) -> Placement {
        if let reason = hopelessness(wish) { return .hopeless(reason) }
        guard overtakesNobody, let provider = choose(wish) else { return .busy }
        begin(at: provider)
        return .at(provider)
    }

    /// Whether a call of an object whose creation went to a provider would pass the creation, or earlier calls: those may be leaving on another thread.
    func overtakesOthers(of key: ActorKey) -> Bool { waiting.concern(key) }

    /// Whether whoever comes now passes nobody who could go as well.
    private var overtakesNobody: Bool { waiting.isEmpty || isSettled && !waiting.isLeaving }

    /// A call at a provider that is counted has ended.
    ///
    /// - Returns: whether somebody waits for the place.
    mutating func ended(_ provider: Provider) -> Bool {
        let left = provider.outstanding.subtract(1, ordering: .relaxed).newValue
        // The first place of a reservation stays held.
        if let whole = provider.whole, left > 0 || provider.isOver { whole.held.subtract(1, ordering: .relaxed) }
        isSettled = false
        return !waiting.isEmpty
    }

    private func begin(at provider: Provider) {
        let others = provider.outstanding.add(1, ordering: .relaxed).oldValue
        if let whole = provider.whole, others > 0 { whole.held.add(1, ordering: .relaxed) }
    }

    /// The provider for a call, if it has room.
    private mutating func choose(_ wish: Wish) -> Provider? {
        switch wish {
        case .any: return pick()
        case .sticky(let key): return target(of: key).flatMap { $0.hasRoom ? $0 : nil }
        case .reserved(let seat): return seat.hasRoom ? seat : nil
        }
    }

    /// The one with room that has the fewest calls, or whose turn it is; each in its turn among equals.
    private mutating func pick() -> Provider? {
        let count = providers.count
        guard count > 1 else {
            guard let only = providers.first, only.hasRoom else { return nil }
            return only
        }
        turn = turn + 1 < count ? turn + 1 : 0
        var best: Provider?
        var leastLoad = Int.max
        var index = turn
        for _ in 0..<count {
            let provider = providers[index]
            if provider.hasRoom {
                if service?.balancing == .roundRobin {
                    turn = index
                    return provider
                }
                let load = provider.load
                if load < leastLoad { (best, leastLoad) = (provider, load) }
                if load == 0 { return best }
            }
            index = index + 1 < count ? index + 1 : 0
        }
        return best
    }

    /// The provider that has a key: the one of the highest weight. When one comes or goes, only the keys move that it gets, or had (rendezvous
    /// hashing, Thaler and Ravishankar 1996).
    private func target(of key: UInt64) -> Provider? {
        var best: (provider: Provider, weight: UInt64)?
        for provider in providers {
            // SplitMix64's finalizer: both numbers take part in all bits.
            var weight = key ^ provider.node.rawValue &* 0x9e37_79b9_7f4a_7c15
            weight = (weight ^ weight >> 30) &* 0xbf58_476d_1ce4_e5b9
            weight = (weight ^ weight >> 27) &* 0x94d0_49bb_1331_11eb
            weight ^= weight >> 31
            if weight >= best?.weight ?? 0 { best = (provider, weight) }
        }
        return best?.provider
    }

    /// What there is to do now.
    var load: ServiceLoad {
        let limits = providers.map(\.concurrency)
        let places = limits.contains(.max) ? nil : limits.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 + $1 }
        let calls = (providers + seats).reduce(0) { $0 + max(0, $1.outstanding.load(ordering: .relaxed)) }
        return ServiceLoad(
            calls: calls, places: places, waiting: waiting.count, reservations: seats.count,
            balancing: service?.balancing ?? .leastOutstanding)
    }

    // MARK: Reservations

    /// Somebody wants to hold a place.
    ///
    /// - Returns: the place, with a route that leads here; `nil` when none is free, or others wait in front.
    mutating func reserve() -> Provider? {
        overtakesNobody ? makeSeat() : nil
    }

    private mutating func makeSeat() -> Provider? {
        guard let provider = pick() else { return nil }
        let seat = provider.makeSeat()
        provider.held.add(1, ordering: .relaxed)
        provider.reservations.add(1, ordering: .relaxed)
        seats.append(seat)
        bind()
        return seat
    }

    /// A reservation has ended. Its calls under way keep their places.
    ///
    /// - Returns: whether somebody waits.
    mutating func endReservation(_ seat: Provider) -> Bool {
        guard let whole = seat.whole, !seat.isOver else { return false }
        seat.end()
        seats.removeAll { $0 === seat }
        whole.reservations.subtract(1, ordering: .relaxed)
        if seat.outstanding.load(ordering: .relaxed) == 0 { whole.held.subtract(1, ordering: .relaxed) }
        isSettled = false
        return !waiting.isEmpty
    }

    // MARK: Routes

    mutating func bind() { bindings += 1 }
    mutating func unbind() { bindings -= 1 }

    // MARK: Waiting

    /// Puts a call at the end of those that wait.
    mutating func wait(_ call: WaitingCall, limits: HubLimits) throws(TelekinesisError) {
        if waiting.isEmpty { isSettled = true }
        try waiting.append(call, limits: limits)
    }

    /// A call that does not wait any longer.
    struct Stopped {
        let call: WaitingCall
        /// Whether others wait for what it would have made.
        let isWaitedFor: Bool
    }

    /// A call is not to wait any longer.
    ///
    /// - Returns: the call; `nil` when it is leaving, or has left.
    mutating func stopWaiting(_ id: CallID, of caller: HubSession) -> Stopped? {
        guard let call = waiting.remove(id, of: caller) else { return nil }
        let isWaitedFor = call.resultKey != nil && !waiting.isEmpty
        if isWaitedFor { isSettled = false }
        return Stopped(call: call, isWaitedFor: isWaitedFor)
    }

    /// Nobody wants a call any more. If it is just leaving, `frame`, which says so, leaves behind it.
    ///
    /// - Returns: the call, if it waited until now.
    mutating func cancel(_ id: CallID, of caller: HubSession, by frame: UnsafeRawBufferPointer) -> Stopped? {
        waiting.cancelLeaving(id, of: caller, by: frame) ? nil : stopWaiting(id, of: caller)
    }

    /// Changes what waits.
    mutating func withWaiting<Result>(_ body: (inout WaitingCalls) -> Result) -> Result { body(&waiting) }

    /// Why waiting for room is of no use.
    enum Hopelessness {
        /// Nobody serves the name.
        case nobody
        /// The place that the caller held is his no longer.
        case reservationEnded
    }

    /// The end of a call's time here.
    enum Departure {
        /// It leaves; `nil` where it needs no provider.
        case goes(WaitingCall, Provider?)
        case fails(WaitingCall, Hopelessness)
    }

    /// The next call that may leave, and where it goes, or that must; `nil` when all have to wait, or one is leaving.
    mutating func next() -> Departure? {
        guard !waiting.isLeaving else { return nil }
        guard let (slot, verdict) = ready() else {
            isSettled = true
            return nil
        }
        if case .hopeless(let reason) = verdict { return waiting.remove(at: slot).map { .fails($0, reason) } }
        guard let call = waiting.leave(from: slot) else { return nil }
        switch call.purpose {
        case .resolve, .created: return .goes(call, nil)
        case .reserve: return .goes(call, makeSeat())
        case .route:
            let provider = choose(call.wish)
            if let provider { begin(at: provider) }
            return .goes(call, provider)
        }
    }

    private enum Verdict { case mayGo, hopeless(Hopelessness) }

    /// The first call that need not or must not wait any longer.
    private func ready() -> (slot: Int, verdict: Verdict)? {
        var hasRoom: Bool?
        var notMade: Set<ActorKey> = []
        return waiting.first { call in
            let verdict = verdict(on: call, &hasRoom, notMade)
            if verdict == nil, let key = call.resultKey { notMade.insert(key) }
            return verdict
        }
    }

    /// - Parameters:
    ///   - hasRoom: whether some provider has room, once that is known.
    ///   - notMade: the objects whose creations wait in front.
    private func verdict(on call: WaitingCall, _ hasRoom: inout Bool?, _ notMade: Set<ActorKey>) -> Verdict? {
        switch call.purpose {
        case .resolve: return providers.isEmpty ? nil : .mayGo
        case .created(let key): return notMade.contains(key) ? nil : .mayGo
        case .reserve: return someRoom(&hasRoom) ? .mayGo : nil
        case .route:
            if let reason = hopelessness(call.wish) { return call.mayWait && reason == .nobody ? nil : .hopeless(reason) }
            switch call.wish {
            case .any: return someRoom(&hasRoom) ? .mayGo : nil
            case .sticky(let key): return target(of: key)?.hasRoom == true ? .mayGo : nil
            case .reserved(let seat): return seat.hasRoom ? .mayGo : nil
            }
        }
    }

    private func someRoom(_ known: inout Bool?) -> Bool {
        let someRoom = known ?? providers.contains(where: \.hasRoom)
        known = someRoom
        return someRoom
    }

    private func hopelessness(_ wish: Wish) -> Hopelessness? {
        if case .reserved(let seat) = wish { return seat.isOver ? .reservationEnded : nil }
        return providers.isEmpty ? .nobody : nil
    }
}

extension PublishRequest {
    /// How the name is shared once it is published: who has replaced others has it alone.
    fileprivate var lastingSharing: Sharing { sharing == .replace ? .exclusive : sharing }
}
