public import Distributed
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// A class of another program, of which instances can be made there.
///
/// ```swift
/// let makeCounter = node.class("demo/Counter", of: Counter.self)
/// let mine = try makeCounter(123)
/// print(try await mine.value)
/// ```
public struct RemoteClass<Object: DistributedActor>: Sendable where Object.ActorSystem == Node {
    private let name: String
    private let choice: ProviderChoice
    private let node: Node
    /// Kept bound for as long as this lasts, where it was waited for.
    private let route: NameRoute?

    init(name: String, choice: ProviderChoice, node: Node, route: NameRoute? = nil) {
        self.name = name
        self.choice = choice
        self.node = node
        self.route = route
    }

    /// Makes an instance, without waiting: its construction travels with the first calls. It is released when its last proxy is gone.
    ///
    /// Storable values among the arguments are stored first; the construction, and calls of the instance, leave when that is done.
    ///
    /// - Throws: ``TelekinesisError`` when the name is none, an argument cannot be encoded, or the deadline has passed. A construction that fails at the provider fails the
    ///   calls of the instance, with its error.
    public func callAsFunction<each Argument: Codable & Sendable>(_ argument: repeat each Argument) throws -> Object {
        var encoder = CallEncoder(on: node, withResultKey: true)
        repeat try encoder.append(each argument)
        guard encoder.references?.placesAreKnown ?? true else {
            throw TelekinesisError(.invalidUse, "an argument is an object that is still being made: await a call of it first")
        }
        let target = try node.session.create(ServiceName(name), choice, &encoder, on: node)
        return try Object.resolve(id: ActorID(target), using: node)
    }
}

extension NodeSession {
    /// Sends the construction of an instance on its way.
    func create(_ name: ServiceName, _ choice: ProviderChoice, _ encoder: inout CallEncoder, on node: Node) throws -> ActorTarget {
        let now = loop.now
        guard CallScope.current.deadline(at: now).time > now else { throw Self.isLate }
        let key = ActorKey.random()
        let instance = RemoteInstance(key: key, session: self)
        let target = ActorTarget(.object(key), .remote, lease: instance)
        instance.target.withLock { $0.target = target }
        let className = ActorTarget(.name(name.description), .route(boundRoute(name, choice)))
        if className.readsOnlyJSON {
            target.readsOnlyJSON = true
            try encoder.writeReferencesAsText()
        }
        guard interceptors.isEmpty, !encoder.hasValues else {
            create(instance, of: className, key, encoder, on: node)
            return target
        }
        if className.readsOnlyJSON { try encoder.writeAsJSON() }
        var frame = encoder.frame(selector: ObjectService.create, signature: 0, resultKey: key)
        var flags = encoder.flags.union(.resultKey)
        if let baggage = CallScope.current.baggage { try load(baggage.value, on: &frame, &flags) }
        start(frame, to: className, flags: flags, references: encoder.references) { result in
            instance.settled(result, failure: className.constructionFailure(in: result))
        }
        return target
    }

    /// Sends the construction when its values have been stored, and by way of the interceptors; calls of the instance wait until it has left.
    private func create(_ instance: RemoteInstance, of className: ActorTarget, _ key: ActorKey, _ arguments: CallEncoder, on node: Node) {
        instance.detain()
        let source = Mutex<NodeID?>(nil)
        // Ends with what it waits for: that has a deadline, and fails with the session.
        Task {
            do {
                // What was stored is held until the answer is there.
                defer { withExtendedLifetime(arguments) {} }
                var encoder = try await arguments.stored(on: node)
                if className.readsOnlyJSON { try encoder.writeAsJSON() }
                let (frame, flags, references) = (
                    encoder.frame(selector: ObjectService.create, signature: 0, resultKey: key), encoder.flags.union(.resultKey),
                    encoder.references
                )
                let reply = try await intercepted("init", of: className) { [self] in
                    var (frame, flags) = (frame, flags)
                    if let baggage = CallScope.current.baggage { try load(baggage.value, on: &frame, &flags) }
                    let reply: Reply = try await withCheckedThrowingContinuation { continuation in
                        start(frame, to: className, flags: flags, references: references) { result in
                            // Now: answers of the instance's calls may come before this task goes on.
                            instance.fail(className.constructionFailure(in: result))
                            continuation.resume(with: result)
                        }
                        instance.depart()
                    }
                    source.withLock { $0 = reply.source }
                    return reply
                }
                instance.settled(.success(reply), failure: className.constructionFailure(in: .success(reply)))
            } catch {
                instance.settled(.failure(.thrown(error)), failure: error, at: source.withLock { $0 })
                instance.depart()
            }
        }
    }
}

extension NodeSession {
    /// Sends a frame that expects no answer, if there is a connection.
    func send(_ frame: [UInt8]) {
        guard let link = state.withLock({ $0.phase.link }) else { return }
        link.send(frame)
    }
}
