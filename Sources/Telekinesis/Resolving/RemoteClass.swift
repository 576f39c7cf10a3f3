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
    /// - Throws: ``TelekinesisError`` when the name is none, an argument cannot be encoded, or the deadline has passed. A construction that fails at the provider fails the
    ///   calls of the instance, with its error.
    public func callAsFunction<each Argument: Codable & Sendable>(_ argument: repeat each Argument) throws -> Object {
        var encoder = CallEncoder(on: node, withResultKey: true)
        repeat try encoder.append(each argument)
        guard encoder.references?.placesAreKnown ?? true else {
            throw TelekinesisError(.invalidUse, "an argument is an object that is still being made: await a call of it first")
        }
        guard !encoder.hasValues else {
            throw TelekinesisError(
                .invalidUse,
                "an argument must be stored first, which takes time, and instances are made without waiting: hand it over in a call")
        }
        let target = try node.session.create(ServiceName(name), choice, &encoder)
        return try Object.resolve(id: ActorID(target), using: node)
    }
}

extension NodeSession {
    /// Sends the construction of an instance on its way.
    func create(_ name: ServiceName, _ choice: ProviderChoice, _ encoder: inout CallEncoder) throws -> ActorTarget {
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
            try encoder.writeAsJSON()
        }
        var frame = encoder.frame(selector: ObjectService.create, signature: 0, resultKey: key)
        var flags = encoder.flags.union(.resultKey)
        guard interceptors.isEmpty else {
            create(instance, of: className, frame, flags, encoder.references)
            return target
        }
        if let baggage = CallScope.current.baggage { try load(baggage.value, on: &frame, &flags) }
        start(frame, to: className, flags: flags, references: encoder.references) { result in
            instance.settled(result, failure: className.constructionFailure(in: result))
        }
        return target
    }

    /// Sends the construction by way of the interceptors; calls of the instance wait until it has left.
    private func create(
        _ instance: RemoteInstance, of className: ActorTarget, _ frame: SplitBytes, _ flags: CallFlags, _ references: OutgoingReferences?
    ) {
        instance.detain()
        let source = Mutex<NodeID?>(nil)
        // Ends with the interceptors: what they wait for has a deadline, and fails with the session.
        Task {
            do {
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

/// An object that this node has made elsewhere, or that a call is to return, under a key of this node's choice. It is released when its last proxy is
/// gone, or as soon afterwards as its place is known.
final class RemoteInstance: Lease {
    struct State {
        weak var target: ActorTarget?
        /// Where it is to be given back, as soon as that is known; the hub knows where it sent a construction that was not answered.
        var node: NodeID?
        var failure: (any Error)?
        var hasEnded = false
        var isForgotten = false
        /// Told when it is made, or is not.
        var waiters: [CheckedContinuation<Void, any Error>] = []
        /// Interceptors hold the construction up; these calls wait until it has left.
        var isDetained = false
        var departures: [CheckedContinuation<Void, Never>] = []
    }

    let target = Mutex(State())
    private let key: ActorKey
    private let session: NodeSession
    /// The node that is to make it, where that was known from the beginning: then the hub knows nothing of it.
    private let home: NodeID?
    /// On which it was made.
    private let connection: UInt64

    init(key: ActorKey, session: NodeSession, at home: NodeID? = nil) {
        self.key = key
        connection = session.connection.load(ordering: .relaxed)
        self.session = session
        self.home = home
    }

    /// Why it was not made; `nil` when it was, or may still be.
    var failure: (any Error)? { target.withLock { $0.failure } }

    /// Whether it is there, as far as this node knows.
    var isSettled: Bool { target.withLock { $0.node != nil && $0.failure == nil } }

    var isLost: Bool { session.connection.load(ordering: .relaxed) != connection }

    /// The construction does not leave at once.
    func detain() { target.withLock { $0.isDetained = true } }

    /// It has left, or will not.
    func depart() {
        let departures = target.withLock { state in
            state.isDetained = false
            defer { state.departures = [] }
            return state.departures
        }
        for departure in departures { departure.resume() }
    }

    /// Waits until the construction has left.
    ///
    /// - Throws: its error, when that is known by then.
    func departure() async throws {
        await withCheckedContinuation { continuation in
            let hasLeft = target.withLock { state in
                if state.isDetained { state.departures.append(continuation) }
                return !state.isDetained
            }
            if hasLeft { continuation.resume() }
        }
        if let absence { throw absence }
    }

    /// Why it was not made, as calls of it say it.
    var absence: (any Error)? {
        guard let failure else { return nil }
        guard var error = failure as? TelekinesisError else { return failure }
        error.ran = .no
        return error
    }

    /// The construction has failed, as far as interceptors leave it at that.
    func fail(_ failure: (any Error)?) { target.withLock { $0.failure = failure } }

    /// The construction, or the call that is to return it, has succeeded or failed.
    ///
    /// - Parameters:
    ///   - failure: its error, of its own type where that is known here.
    ///   - known: where it is, of one that failed afterwards.
    func settled(_ result: Result<Reply, TelekinesisError>, failure: (any Error)?, at known: NodeID? = nil) {
        let place: NodeID = if let home { home } else if case .success(let reply) = result { reply.source } else { known ?? .hub }
        let (proxy, hasEnded, waiters) = target.withLock { state in
            state.node = place
            state.failure = failure
            defer { state.waiters = [] }
            return (state.target, state.hasEnded, state.waiters)
        }
        proxy?.node = place
        for waiter in waiters { waiter.resume(with: failure.map { .failure($0) } ?? .success(())) }
        if hasEnded {
            release(at: place)
        } else if home == nil {
            // Calls that are leaving just now may still ask the hub for the place.
            _ = session.loop.schedule(after: 1_000_000_000) { self.forget() }
        }
    }

    /// Waits until the object is made.
    ///
    /// - Throws: the error of its construction.
    func settlement() async throws {
        try await withCheckedThrowingContinuation { continuation in
            let result = target.withLock { state -> Result<Void, any Error>? in
                if let failure = state.failure { return .failure(failure) }
                if state.node != nil { return .success(()) }
                state.waiters.append(continuation)
                return nil
            }
            if let result { continuation.resume(with: result) }
        }
    }

    /// The last proxy has gone.
    func end() {
        let node = target.withLock { state in
            state.hasEnded = true
            return state.node
        }
        if let node { release(at: node) }
    }

    private func release(at node: NodeID) {
        session.send(FrameWriter.release(key, of: node, count: 1, flags: .result))
        forget()
    }

    /// The hub need not know the place any longer.
    private func forget() {
        guard home == nil else { return }
        let isFirst = target.withLock { state in
            defer { state.isForgotten = true }
            return !state.isForgotten
        }
        if isFirst { session.send(FrameWriter.forget(key)) }
    }
}

extension ActorTarget {
    /// Why a class has made no instance: the constructor's own error where its type is known here.
    func constructionFailure(in result: Result<Reply, TelekinesisError>) -> (any Error)? {
        let failure = failure(in: result)
        guard var error = failure as? TelekinesisError, error.code == .noSuchMethod else { return failure }
        error.message = "“\(ActorID(self))”: \(error.message)"
        return error
    }

    /// Explains a reply to its caller: where the object was never made, the reason is that of its construction, and where it has ended with a connection
    /// of this node, that is the reason.
    ///
    /// - Throws: the reason in place of such a reply.
    func explain(_ reply: borrowing Reply) throws {
        guard reply.flags.contains(.isError) else { return }
        if let failure = absence { throw failure }
        guard reply.flags.ran == .no, lease?.isLost ?? false else { return }
        var error = reply.error
        guard error.code == .noSuchObject || error.code == .disconnected else { return }
        let reason = "this node's connection to the hub was lost, and with it what the node held of others"
        error.message = "\(reason): make \(ActorID(self)) or get it anew"
        throw error
    }

    /// Why the object was never made, where no node would know that: the hub has refused it. Calls to it need not leave.
    var knownAbsence: (any Error)? {
        guard case .remote = place, node == .hub else { return nil }
        return absence
    }

    /// Why the object was never made: the error of its construction, or of the call that should have returned it.
    var absence: (any Error)? {
        (lease as? RemoteInstance)?.absence
    }
}

extension NodeSession {
    /// Sends a frame that expects no answer, if there is a connection.
    func send(_ frame: [UInt8]) {
        guard let link = state.withLock({ $0.phase.link }) else { return }
        link.send(frame)
    }
}
