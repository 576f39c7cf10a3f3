internal import Synchronization
internal import TelekinesisProtocol

/// Who serves a name and what waits for that. Pure: time is given, what is to be sent is returned.
struct NameState: Sendable {
    /// What all providers of a name agree on.
    struct Service: Sendable {
        var kind: ServiceKind
        var sharing: Sharing
        var principal: Principal
        /// Nanoseconds of the hub's clock.
        var since: UInt64
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
            if let own = providers.first(where: { $0.session === provider.session }), !isReplacement || own.key == provider.key {
                return own.key == provider.key
                    ? .unchanged
                    : .refused(TelekinesisError(.nameTaken, "this node itself publishes “\(request.name)”: withdraw it first", ran: .no))
            }
            guard sharesWith(service.principal) else { return .refused(taken(request.name, service, now: now)) }
            if isReplacement {
                let old = providers
                providers = []
                add(provider, request, by: principal, now: now)
                return .added(replacing: old)
            }
            guard service.sharing == .shared, request.sharing == .shared else { return .refused(taken(request.name, service, now: now)) }
            guard service.kind == request.kind else {
                let what = "“\(request.name)” is served as \(service.kind.rawValue), not as \(request.kind.rawValue)"
                return .refused(TelekinesisError(.nameTaken, what, ran: .no))
            }
            providers.append(provider)
            return .added(replacing: [])
        }
        add(provider, request, by: principal, now: now)
        return .added(replacing: [])
    }

    private mutating func add(_ provider: Provider, _ request: PublishRequest, by principal: Principal, now: UInt64) {
        let sharing = request.sharing == .replace ? Sharing.exclusive : request.sharing
        service = Service(kind: request.kind, sharing: sharing, principal: principal, since: now)
        providers.append(provider)
        wasServed = true
    }

    private func taken(_ name: String, _ service: Service, now: UInt64) -> TelekinesisError {
        let node = providers.first.map { String($0.node.description.prefix(8)) } ?? "?"
        let age = (now - min(now, service.since)) / 1_000_000_000
        return TelekinesisError(
            .nameTaken,
            "“\(name)” is held \(service.sharing == .shared ? "as shared" : "exclusively") by \(service.principal.name) at node \(node)… "
                + "for \(age) s: publish it as shared at every provider, take another name, or use .replace", ran: .no)
    }

    /// A provider is no more.
    mutating func remove(_ provider: Provider) {
        providers.removeAll { $0 === provider }
        if providers.isEmpty { service = nil }
    }

    /// The provider with the fewest calls; each in its turn among equals.
    mutating func pick() -> Provider? {
        let count = providers.count
        guard count > 1 else { return providers.first }
        turn = turn + 1 < count ? turn + 1 : 0
        var best = providers[turn]
        var load = best.outstanding.load(ordering: .relaxed)
        var index = turn
        for _ in 1..<count where load > 0 {
            index = index + 1 < count ? index + 1 : 0
            let other = providers[index].outstanding.load(ordering: .relaxed)
            if other < load {
                best = providers[index]
                load = other
            }
        }
        return best
    }

    // MARK: Routes

    mutating func bind() { bindings += 1 }
    mutating func unbind() { bindings -= 1 }

    // MARK: Waiting

    /// A call must wait when nobody serves the name, or when others wait in front of it.
    var mustWait: Bool { providers.isEmpty || !waiting.isEmpty }

    /// Puts a call at the end of those that wait.
    mutating func wait(_ call: WaitingCall, limits: HubLimits) throws(TelekinesisError) {
        try waiting.append(call, limits: limits)
    }

    /// Changes what waits.
    mutating func withWaiting<Result>(_ body: (inout WaitingCalls) -> Result) -> Result { body(&waiting) }

    /// The next call that may leave, and where it goes; `nil` when none is left or nobody serves the name any more.
    mutating func release() -> (call: WaitingCall, provider: Provider)? {
        guard let provider = pick(), let call = waiting.leave() else { return nil }
        return (call, provider)
    }
}
