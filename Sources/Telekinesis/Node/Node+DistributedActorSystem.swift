public import Distributed
internal import TelekinesisLink
internal import TelekinesisProtocol

extension Node: DistributedActorSystem {
    /// The id of this system's actors.
    public typealias ActorID = Telekinesis.ActorID
    /// Arguments and results are `Codable`.
    public typealias SerializationRequirement = any Codable
    /// Writes arguments.
    public typealias InvocationEncoder = CallEncoder
    /// Reads arguments.
    public typealias InvocationDecoder = CallDecoder
    /// Unused: methods are executed by way of the table of their type.
    public typealias ResultHandler = UnusedResultHandler

    // MARK: The life of actors

    /// The actor with this id if it is one of this node's, else `nil`: a proxy.
    ///
    /// - Throws: ``TelekinesisError`` when the object has ended, or is of another type.
    public func resolve<Act>(id: ActorID, as type: Act.Type) throws -> Act? where Act: DistributedActor, Act.ID == ActorID {
        guard let actor = try localActor(id) else { return nil }
        if let actor = actor as? Act { return actor }
        let table = try MethodTable.of(Swift.type(of: actor))
        let missing = table.missing(from: type)
        guard missing.isEmpty else {
            throw TelekinesisError(
                .invalidUse, "\(id) is a \(table.typeName), which is no \(type): \(missing.joined(separator: ", ")) is missing")
        }
        return nil
    }

    /// The actor of this node that an id means.
    func localActor(_ id: ActorID) throws -> (any DistributedActor)? {
        let target = id.target
        guard target.mayBeHere else { return nil }
        switch target.place {
        case .remote, .reserved: return nil
        case .local:
            guard let key = target.key, let actor = session.incoming.registry.actor(key) else {
                throw TelekinesisError(.noSuchObject, "the object \(id) of this node has ended")
            }
            return actor
        case .route(let route):
            guard !session.publications.isEmpty, let publication = session.publications.find(route.name), publication.sharing != .shared,
                publication.isOwn
            else { return nil }
            return session.incoming.registry.actor(publication.key)
        }
    }

    /// A fresh key for an actor that is being made.
    public func assignID<Act>(_ type: Act.Type) -> ActorID where Act: DistributedActor, Act.ID == ActorID {
        ActorID(ActorTarget(.object(.random()), .local))
    }

    /// The actor can be found from now on, for as long as somebody holds it.
    public func actorReady<Act>(_ actor: Act) where Act: DistributedActor, Act.ID == ActorID {
        guard let key = actor.id.target.key else { return }
        session.incoming.registry.add(actor, key)
    }

    /// The actor has ended.
    public func resignID(_ id: ActorID) {
        guard let key = id.target.key else { return }
        session.incoming.registry.remove(key)
    }

    // MARK: Calls

    /// An encoder for the arguments of one call.
    public func makeInvocationEncoder() -> CallEncoder { CallEncoder(on: self) }

    // Inlinable, so that the compiler makes a copy for the types of each method: else all that is generic here would look up metadata and conformances
    // with every call.

    /// Calls a method of a proxy.
    @inlinable
    public nonisolated(nonsending) func remoteCall<Act, Err, Res>(
        on actor: Act, target: RemoteCallTarget, invocation: inout CallEncoder, throwing: Err.Type, returning: Res.Type
    ) async throws -> Res where Act: DistributedActor, Act.ID == ActorID, Err: Error, Res: Codable {
        if Pipeline.mayBeOpen, let promise = try await promise(of: Res.self, by: actor.id, target, &invocation) { return promise }
        let reply = try await invoke(actor.id, target, &invocation)
        withExtendedLifetime(actor) {}
        do {
            return try reply.decode(Res.self, on: self)
        } catch let needed as FetchNeeded {
            return try await reply.decode(Res.self, on: self, fetching: needed)
        }
    }

    /// Calls a method of a proxy that has no result.
    @inlinable
    public nonisolated(nonsending) func remoteCallVoid<Act, Err>(
        on actor: Act, target: RemoteCallTarget, invocation: inout CallEncoder, throwing: Err.Type
    ) async throws where Act: DistributedActor, Act.ID == ActorID, Err: Error {
        let reply = try await invoke(actor.id, target, &invocation)
        withExtendedLifetime(actor) {}
        try reply.throwError()
    }

    /// Makes a call. The actor is held by the caller.
    @usableFromInline
    nonisolated(nonsending) func invoke(
        _ id: ActorID, _ target: RemoteCallTarget, _ invocation: inout CallEncoder
    ) async throws -> Reply {
        guard let method = CallTargets.callTarget(for: target) else {
            throw TelekinesisError(.noSuchMethod, "the target of the call is no distributed method of this program")
        }
        let destination = id.target
        // The arguments' own memory is theirs until the answer is there: what was stored for them is held as long.
        let readsOnlyJSON = destination.readsOnlyJSON
        if readsOnlyJSON { try await invocation.findPlacesAndWriteReferencesAsText() }
        if invocation.hasValues { invocation = try await invocation.stored(on: self) }
        if let object = try localActor(id) { return try await invoke(method, of: object, id, &invocation) }
        do {
            if destination.isUnsettled { try await destination.departure() }
            if let references = invocation.references, !references.placesAreKnown { try await references.findPlaces() }
            if readsOnlyJSON { try invocation.writeAsJSON() }
            let frame = invocation.frame(selector: method.selector, signature: method.signatureHash)
            let reply =
                session.interceptors.isEmpty
                ? try await session.call(frame, to: destination, flags: invocation.flags, references: invocation.references)
                : try await session.intercepted(
                    frame, method.wireName, to: destination, flags: invocation.flags, references: invocation.references)
            try destination.explain(reply)
            try method.explain(reply, of: id)
            return reply
        } catch var error as TelekinesisError {
            if error.code == .deadlineExceeded { error.message = "\(method.signature) of \(id): \(error.message)" }
            throw error
        }
    }
}

extension Node {
    /// Makes a call of an object of this node. Not inlined: calls of others would carry its memory.
    @inline(never)
    private nonisolated(nonsending) func invoke(
        _ method: CallTarget, of object: any DistributedActor, _ id: ActorID, _ invocation: inout CallEncoder
    ) async throws -> Reply {
        let frame = invocation.frame(selector: method.selector, signature: method.signatureHash)
        let reply = try await LocalCall.invoke(object, frame, invocation.references, on: self)
        try method.explain(reply, of: id)
        return reply
    }
}

/// Never called: see ``Node/ResultHandler``.
public struct UnusedResultHandler: DistributedTargetInvocationResultHandler {
    /// Arguments and results are `Codable`.
    public typealias SerializationRequirement = any Codable

    /// Not called.
    public func onReturn<Success: Codable>(value: Success) async throws {}
    /// Not called.
    public func onReturnVoid() async throws {}
    /// Not called.
    public func onThrow<Err: Error>(error: Err) async throws {}
}
