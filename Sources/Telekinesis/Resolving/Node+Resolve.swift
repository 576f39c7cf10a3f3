public import Distributed
internal import Synchronization
internal import TelekinesisLink
public import TelekinesisProtocol

extension Node {
    /// Finds an object by name.
    ///
    /// The proxy holds the name: it goes on working when the provider's process restarts and publishes again. Where this node itself serves the name, the
    /// object itself is the answer, if it is of that type.
    ///
    /// - Parameters:
    ///   - name: what the provider published.
    ///   - type: the distributed actor's type, or the stub of a `@Resolvable` protocol: `$CounterService.self`.
    ///   - choice: which of several providers the calls go to. Handed over, the proxy travels as its name, without that.
    ///   - patience: how long to wait until somebody publishes the name; by default not at all.
    /// - Throws: ``TelekinesisError``: `noSuchName` or `noProvider`; `invalidUse` when the name stands for something else.
    public func resolve<Act: DistributedActor>(
        _ name: String, as type: Act.Type, choosing choice: ProviderChoice = .balanced, waitingUpTo patience: Duration = .zero
    ) async throws -> Act where Act.ActorSystem == Node {
        let route = try await bind(name, as: .object, choice, waitingUpTo: patience)
        return try Act.resolve(id: ActorID(ActorTarget(.name(name), .route(route))), using: self)
    }

    /// Finds a published function.
    ///
    /// - Parameters:
    ///   - name: what the provider published.
    ///   - signature: the function's type, without `async throws`: `((Int, Int) -> Int).self`. Can be left out where the context gives it.
    ///   - choice: which of several providers the calls go to.
    ///   - patience: how long to wait until somebody publishes the name; by default not at all.
    /// - Throws: ``TelekinesisError``: `noSuchName` or `noProvider`; `invalidUse` when the name stands for something else.
    public func function<Signature>(
        _ name: String, as signature: Signature.Type = Signature.self, choosing choice: ProviderChoice = .balanced,
        waitingUpTo patience: Duration = .zero
    ) async throws -> RemoteFunction<Signature> {
        let route = try await bind(name, as: .function, choice, waitingUpTo: patience)
        return RemoteFunction(.there(ActorTarget(.name(name), .route(route)), self))
    }

    /// A published class, of which instances can be made.
    ///
    /// Nothing is sent: whether the name exists shows when an instance is called. ``class(_:of:choosing:waitingUpTo:)`` waits for it.
    ///
    /// - Parameters:
    ///   - name: what the provider published.
    ///   - type: the type of the instances, or the stub of a `@Resolvable` protocol.
    ///   - choice: which of several providers makes the instances; an instance stays where it was made.
    public func `class`<Object: DistributedActor>(
        _ name: String, of type: Object.Type = Object.self, choosing choice: ProviderChoice = .balanced
    ) -> RemoteClass<Object> where Object.ActorSystem == Node {
        RemoteClass(name: name, choice: choice, node: self)
    }

    /// A published class, of which instances can be made, once somebody publishes it.
    ///
    /// - Parameters:
    ///   - name: what the provider published.
    ///   - type: the type of the instances, or the stub of a `@Resolvable` protocol.
    ///   - choice: which of several providers makes the instances; an instance stays where it was made.
    ///   - patience: how long to wait until somebody publishes the name; ``Duration/zero``: not at all.
    /// - Throws: ``TelekinesisError``: `noSuchName` or `noProvider`; `invalidUse` when the name stands for something else.
    public func `class`<Object: DistributedActor>(
        _ name: String, of type: Object.Type = Object.self, choosing choice: ProviderChoice = .balanced, waitingUpTo patience: Duration
    ) async throws -> RemoteClass<Object> where Object.ActorSystem == Node {
        let route = try await bind(name, as: .class, choice, waitingUpTo: patience)
        return RemoteClass(name: name, choice: choice, node: self, route: route)
    }

    /// What a published name says about itself: methods, signatures, and what values of their types look like, straight from its provider's binary.
    public func describe(_ name: String) async throws -> ServiceDescription {
        let (route, _) = try await bind(name)
        let target = ActorTarget(.name(name), .route(route))
        let frame = try CallEncoder.empty(ObjectService.describe, to: target)
        let reply = try await naming(name) { try await session.call(frame, to: target) }
        return try reply.decode(ServiceDescription.self, on: self)
    }

    /// The published names that start with `prefix`, in order.
    public func list(_ prefix: String = "") async throws -> [ListedName] {
        var names: [ListedName] = []
        while true {
            let request = ListRequest(prefix: prefix, limit: 1000, after: names.last?.name)
            let page = try await control(HubService.list, request, as: [ListedName].self)
            names += page
            if page.count < 1000 { return names }
        }
    }

    /// Calls with words, as somebody types them; the provider, which knows the types, makes values of them.
    ///
    /// - Parameters:
    ///   - name: a published object or function.
    ///   - words: of an object, a method and its arguments; of a function, its arguments. Each is `value` or `label=value`.
    /// - Returns: the result as MessagePack.
    /// - Throws: what the method throws, or ``TelekinesisError``: `unsupported` when the result hands something over.
    public func call(_ name: String, words: [String]) async throws -> [UInt8] {
        let (route, kind) = try await bind(name)
        guard kind != .class else {
            throw TelekinesisError(
                .invalidUse, "“\(name)” is a class: programs make instances of it with node.class(_:of:), and call those")
        }
        guard let method = kind == .function ? "" : words.first else {
            throw TelekinesisError(
                .invalidUse, "“\(name)” is \(kind.withArticle): say which of its methods is meant; `tk describe \(name)` lists them")
        }
        let target = ActorTarget(.name(name), .route(route))
        guard !target.readsOnlyJSON else {
            throw TelekinesisError(.unsupported, "whoever serves “\(name)” reads JSON only: words cannot be sent there")
        }
        let frame = try CallEncoder.words(method: method, kind == .function ? words : Array(words.dropFirst()))
        let reply = try await naming(kind == .function ? name : "\(method) of \(name)") {
            session.interceptors.isEmpty
                ? try await session.call(frame, to: target)
                : try await session.intercepted(frame, kind == .function ? "call" : method, to: target)
        }
        try reply.throwError()
        guard reply.references == nil else {
            throw TelekinesisError(
                .unsupported, "the result is an object, a function or a stream, or has one in it: only a program can take it", ran: .yes)
        }
        return [UInt8](reply.body.joined[1...])
    }

    /// Asks the provider of a name, or the hub, whether it is there. No object is touched.
    ///
    /// - Parameter name: a published name; `nil` for the hub itself.
    /// - Returns: how long the answer took.
    @discardableResult
    public func ping(_ name: String? = nil) async throws -> Duration {
        let target =
            if let name { ActorTarget(.name(name), .route(try await bind(name).route)) } else { ControlCall.target }
        let frame = try CallEncoder.empty(ObjectService.ping, to: target)
        let start = CallScope.now
        let reply = try await naming(name ?? "the hub") { try await session.call(frame, to: target) }
        let time = Duration.nanoseconds(CallScope.now - start)
        try reply.throwError()
        return time
    }

    /// Makes a call; when no answer comes in time, the error says of what.
    private nonisolated(nonsending) func naming(
        _ what: String, _ call: nonisolated(nonsending) () async throws -> Reply
    ) async throws -> Reply {
        do {
            return try await call()
        } catch var error as TelekinesisError where error.code == .deadlineExceeded {
            error.message = "\(what): \(error.message)"
            throw error
        }
    }

    /// Binds a name to a handle and waits for the hub's word about it, which must be that it stands for an object, a class or a function.
    private func bind(
        _ name: String, as kind: ServiceKind, _ choice: ProviderChoice, waitingUpTo patience: Duration
    ) async throws -> NameRoute {
        let (route, actual) = try await bind(name, choice, waitingUpTo: patience)
        guard actual == kind else {
            let advice =
                switch actual {
                case .object: "resolve(_:as:)"
                case .class: "class(_:of:)"
                case .function: "function(_:as:)"
                }
            throw TelekinesisError(.invalidUse, "“\(name)” stands for \(actual.withArticle): use \(advice)")
        }
        return route
    }

    /// Binds a name to a handle and waits for the hub's word about it.
    private func bind(
        _ name: String, _ choice: ProviderChoice = .balanced, waitingUpTo patience: Duration = .zero
    ) async throws -> (route: NameRoute, kind: ServiceKind) {
        let name = try ServiceName(name)
        let route = session.route(name, choice)
        let request = route.request(wait: patience > .zero)
        let answer: ResolveAnswer
        do {
            if patience > .zero {
                answer = try await withDeadline(.after(patience)) { try await control(HubService.resolve, request, as: ResolveAnswer.self) }
            } else {
                answer = try await control(HubService.resolve, request, as: ResolveAnswer.self)
            }
        } catch let error as TelekinesisError where error.code == .deadlineExceeded && patience > .zero {
            throw TelekinesisError(.noProvider, "nobody has published “\(name)” within \(patience)", ran: .no, cause: error)
        }
        route.resolved(answer.encoding)
        route.isBound.store(true, ordering: .releasing)
        return (route, answer.kind)
    }
}

extension ServiceKind {
    var withArticle: String { self == .object ? "an object" : "a \(rawValue)" }
}

extension NodeSession {
    /// The route of a name, which may still have to be bound.
    func route(_ name: ServiceName, _ choice: ProviderChoice = .balanced) -> NameRoute {
        state.withLock { $0.routes.find(name, choice) ?? $0.routes.insert(name, choice, session: self) }
    }

    /// The route of a name that calls may use at once: its handle is bound by a word of its own in front of them, and nothing waits for the answer.
    func boundRoute(_ name: ServiceName, _ choice: ProviderChoice = .balanced) -> NameRoute {
        let route = route(name, choice)
        guard !route.isBound.load(ordering: .acquiring) else { return route }
        // The next connection begins with binding all routes. Two tasks may both say it.
        if state.withLock({ $0.phase.knowsRoutes }), let bind = try? ControlCall.frame(HubService.resolve, route.request(wait: false)) {
            start(bind, to: ControlCall.target) { self.resolved(name, choice, $0) }
        }
        route.isBound.store(true, ordering: .releasing)
        return route
    }

    /// The hub has answered a request to bind a name for whose answer nobody waits.
    func resolved(_ name: ServiceName, _ choice: ProviderChoice, _ result: Result<Reply, TelekinesisError>) {
        guard let answer = try? result.get().plainValue(ResolveAnswer.self) else { return }
        // Not held by the request: its end takes the lock.
        let route = state.withLock { $0.routes.find(name, choice) }
        route?.resolved(answer.encoding)
    }

    /// The last proxy of a name has gone.
    func unbind(_ name: ServiceName, _ choice: ProviderChoice, handle: UInt32) {
        let isBound = state.withLock { state in
            state.routes.remove(name, choice, handle: handle)
            return state.phase.knowsRoutes
        }
        guard isBound, let frame = try? ControlCall.frame(HubService.unbind, handle) else { return }
        tell(frame)
    }
}

extension NodeSession.Phase {
    /// Whether the hub has been told the routes that were in use when this connection began, and is told of those that come and go.
    fileprivate var knowsRoutes: Bool {
        switch self {
        case .opening, .open: true
        case .connecting, .shakingHands, .draining, .stopped: false
        }
    }
}
