public import Distributed
internal import TelekinesisLink
public import TelekinesisProtocol

extension Node {
    /// Publishes an object: everybody who may call the name calls this one object.
    ///
    /// One object may have several names. It stays alive for as long as it is published, and so does the node: see ``Node``.
    ///
    /// - Parameters:
    ///   - object: a distributed actor made on this node.
    ///   - name: parts separated by slashes, see ``ServiceName``.
    ///   - sharing: by default, a second provider of the name is refused: balancing calls over two objects with state of their own would lose it.
    /// - Throws: ``TelekinesisError``: `nameTaken`, `invalidName`, or `invalidUse` for an actor of another node or a name used twice here.
    public func publish<Object: DistributedActor>(_ object: Object, as name: String, _ sharing: Sharing = .exclusive) async throws
    where Object.ActorSystem == Node {
        guard object.actorSystem === self else {
            throw TelekinesisError(.invalidUse, "this \(Object.self) was made on another node: publish it there, or make it on this one")
        }
        guard case .local = object.id.target.place, let key = object.id.target.key, session.incoming.registry.actor(key) != nil else {
            throw TelekinesisError(.invalidUse, "this \(Object.self) is a proxy of an object elsewhere: only its own node can publish it")
        }
        try await publish(Callee(.object(object, MethodTable.of(Object.self))), key: key, kind: .object, as: name, sharing)
    }

    /// Publishes a class: each caller makes instances of its own, which end when their caller lets go of them.
    ///
    /// - Parameters:
    ///   - name: parts separated by slashes.
    ///   - sharing: by default several providers may publish the name; new instances are balanced among them.
    ///   - make: makes an instance on this node from what the caller gives.
    public func publish<each Argument: Codable & Sendable, Object: DistributedActor>(
        class name: String, _ sharing: Sharing = .shared,
        _ make: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Object
    ) async throws where Object.ActorSystem == Node {
        try await publish(Callee(.factory(PublishedClass.erase(make))), key: .random(), kind: .class, as: name, sharing)
    }

    /// Publishes a function.
    ///
    /// - Parameters:
    ///   - name: parts separated by slashes.
    ///   - sharing: by default several providers may publish the name; calls are balanced among them.
    ///   - body: the function; any number of parameters.
    public func publish<each Argument: Codable & Sendable, Output: Codable & Sendable>(
        function name: String, _ sharing: Sharing = .shared,
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Output
    ) async throws {
        try await publish(Callee(.function(PublishedFunction.erase(body)), as: name), key: .random(), kind: .function, as: name, sharing)
    }

    /// Publishes a function without a result.
    public func publish<each Argument: Codable & Sendable>(
        function name: String, _ sharing: Sharing = .shared,
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Void
    ) async throws {
        try await publish(
            Callee(.function(PublishedFunction.eraseVoid(body)), as: name), key: .random(), kind: .function, as: name, sharing)
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
            Publication(name: ServiceName(name), key: original.key, kind: original.kind, sharing: original.sharing, on: self))
    }

    private func publish(_ callee: Callee, key: ActorKey, kind: ServiceKind, as name: String, _ sharing: Sharing) async throws {
        let publication = Publication(name: try ServiceName(name), key: key, kind: kind, sharing: sharing, on: self)
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
            try await control(HubService.withdraw, WithdrawRequest(name: name))
        } catch let error as TelekinesisError where error.code == .disconnected || error.code == .noSuchName {
            // With the connection the hub has forgotten the name, or another node has taken it over: either way it is withdrawn.
        }
    }
}
