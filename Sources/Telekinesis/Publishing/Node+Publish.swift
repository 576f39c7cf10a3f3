public import Distributed
internal import TelekinesisLink
public import TelekinesisProtocol

extension Node {
    /// Publishes an object: everybody who may call the name calls this one object.
    ///
    /// One object may have several names. It stays alive for as long as it is published, and so does the node: see ``Node``.
    ///
    /// So that the object can tell what its methods take and return (``describe(_:)``), the types of parameters and results decode themselves from values that are
    /// made up, once in a process. An `init(from:)` that traps on a value that it does not like, where it should throw, traps here already.
    ///
    /// - Parameters:
    ///   - object: a distributed actor made on this node.
    ///   - name: parts separated by slashes, see ``ServiceName``.
    ///   - sharing: by default, a second provider of the name is refused: balancing calls over two objects with state of their own would lose it.
    ///   - concurrency: how many calls from elsewhere the object takes at once, at least 1; by default any number. More calls by name wait at the
    ///     hub, calls on references to the object wait here, in order and until their deadlines; where too many wait they fail with `overloaded`.
    ///     With 1, an object that calls itself by way of the hub waits for itself.
    ///   - balancing: how calls are spread over the providers of a shared name. What the latest of them says holds.
    /// - Throws: ``TelekinesisError``: `nameTaken`, `invalidName`, or `invalidUse` for an actor of another node or a name used twice here.
    public func publish<Object: DistributedActor>(
        _ object: Object, as name: String, _ sharing: Sharing = .exclusive, concurrency: Int? = nil,
        balancing: Balancing = .leastOutstanding
    ) async throws where Object.ActorSystem == Node {
        guard object.actorSystem === self else {
            throw TelekinesisError(.invalidUse, "this \(Object.self) was made on another node: publish it there, or make it on this one")
        }
        guard case .local = object.id.target.place, let key = object.id.target.key, session.incoming.registry.actor(key) != nil else {
            throw TelekinesisError(.invalidUse, "this \(Object.self) is a proxy of an object elsewhere: only its own node can publish it")
        }
        let serving = try Serving(concurrency, balancing, session.configuration.onlyEncoding)
        let table = try MethodTable.of(Object.self)
        table.describeTypes()
        let callee = Callee(.object(object, table), concurrency: concurrency)
        try await publish(callee, key: key, kind: .object, as: name, sharing, serving)
    }

    /// Publishes a class: each caller makes instances of its own, which end when their caller lets go of them.
    ///
    /// - Parameters:
    ///   - name: parts separated by slashes.
    ///   - sharing: by default several providers may publish the name; new instances are balanced among them.
    ///   - concurrency: how many instances are made at once, at least 1; by default any number. Calls on instances are not counted.
    ///   - balancing: how new instances are spread over the providers of the name.
    ///   - make: makes an instance on this node from what the caller gives.
    public func publish<each Argument: Codable & Sendable, Object: DistributedActor>(
        class name: String, _ sharing: Sharing = .shared, concurrency: Int? = nil, balancing: Balancing = .leastOutstanding,
        _ make: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Object
    ) async throws where Object.ActorSystem == Node {
        let serving = try Serving(concurrency, balancing, session.configuration.onlyEncoding)
        let callee = Callee(.factory(try PublishedClass.erase(make)), as: name, concurrency: concurrency)
        try await publish(callee, key: .random(), kind: .class, as: name, sharing, serving)
    }

    /// Publishes a function.
    ///
    /// - Parameters:
    ///   - name: parts separated by slashes.
    ///   - sharing: by default several providers may publish the name; calls are balanced among them.
    ///   - concurrency: how many calls it takes at once, at least 1; by default any number. More calls wait, see ``publish(_:as:_:concurrency:balancing:)``.
    ///   - balancing: how calls are spread over the providers of the name.
    ///   - body: the function; any number of parameters.
    public func publish<each Argument: Codable & Sendable, Output: Codable & Sendable>(
        function name: String, _ sharing: Sharing = .shared, concurrency: Int? = nil, balancing: Balancing = .leastOutstanding,
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Output
    ) async throws {
        let serving = try Serving(concurrency, balancing, session.configuration.onlyEncoding)
        let callee = Callee(.function(PublishedFunction.published(body)), as: name, concurrency: concurrency)
        try await publish(callee, key: .random(), kind: .function, as: name, sharing, serving)
    }

    /// Publishes a function without a result, see above.
    public func publish<each Argument: Codable & Sendable>(
        function name: String, _ sharing: Sharing = .shared, concurrency: Int? = nil, balancing: Balancing = .leastOutstanding,
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Void
    ) async throws {
        let serving = try Serving(concurrency, balancing, session.configuration.onlyEncoding)
        let callee = Callee(.function(PublishedFunction.publishedVoid(body)), as: name, concurrency: concurrency)
        try await publish(callee, key: .random(), kind: .function, as: name, sharing, serving)
    }

    /// Publishes, under one more name, what this node has published already: an object, a class or a function.
    ///
    /// - Parameters:
    ///   - published: a name that this node has published.
    ///   - name: the further name, in whatever namespace.
    public func publish(alias name: String, of published: String) async throws {
        guard let original = session.publications.find(try ServiceName(published)) else {
            throw TelekinesisError(.invalidUse, "this node has published nothing as “\(published)”")
        }
        try await announce(
            Publication(
                name: ServiceName(name), key: original.key, kind: original.kind, sharing: original.sharing, serving: original.serving,
                on: self))
    }

    private func publish(
        _ callee: Callee, key: ActorKey, kind: ServiceKind, as name: String, _ sharing: Sharing, _ serving: Serving
    ) async throws {
        let publication = Publication(name: try ServiceName(name), key: key, kind: kind, sharing: sharing, serving: serving, on: self)
        session.incoming.registry.publish(callee, as: key)
        do {
            try await announce(publication)
        } catch {
            if !session.publications.contains(key) { session.incoming.registry.unpublish(key) }
            throw error
        }
    }

    private func announce(_ publication: Publication) async throws {
        try session.publications.insert(publication)
        do {
            try await control(HubService.publish, publication.request)
        } catch {
            if session.publications.contains(publication) { _ = session.publications.remove(publication.name) }
            throw error
        }
    }

    /// Takes a published name back. Calls under way are answered; the object, unless it has other names, is no longer held.
    ///
    /// - Throws: `invalidUse` when this node has published nothing under the name.
    public func withdraw(_ name: String) async throws {
        let name = try ServiceName(name)
        guard let publication = session.publications.remove(name) else {
            throw TelekinesisError(.invalidUse, "this node has published nothing as “\(name)”")
        }
        defer { if !session.publications.contains(publication.key) { session.incoming.registry.unpublish(publication.key) } }
        do {
            try await session.settle(ControlCall.frame(HubService.withdraw, WithdrawRequest(name: name))).throwError()
        } catch let error as TelekinesisError where error.code == .disconnected || error.code == .noSuchName {
            // With the connection the hub has forgotten the name, or another node has taken it over: either way it is withdrawn.
        }
    }
}
