internal import CSystem
public import Distributed
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Runs an operation whose calls do not wait for the objects that they return: each call leaves right behind the one that returns its object, and a
/// chain of them takes one round trip.
///
/// ```swift
/// let price = try await withPipelining {
///     try await shop.basket(of: "Ann").item(3).price()
/// }
/// ```
///
/// Within the operation, a call of a method whose result is a distributed actor returns at once, with a proxy. Calls of that proxy wait at the provider
/// until the object is there, in order. When the method fails, they throw its error, and the call itself does not: so await a call on an object before
/// you rely on its being there. A call on whose result nothing is called fails unheard.
///
/// All other calls are awaited as always: those whose results are optional, or hold objects within other values; those with stored values (``Storable``)
/// among their arguments; those of objects of this node; and all
/// that leave a node which has interceptors for outgoing calls. An object that is handed over as an argument is waited for. A method that is called so must
/// return an object of its own node: if it returns one of another, the calls that were sent ahead fail and say so.
///
/// The proxy of a result is not equal to other proxies of the same object. It can be used after the operation has ended, and whatever has not been answered
/// by then goes on. When the task is cancelled before that, all these calls are.
///
/// - Parameter operation: makes the calls; runs where the caller runs. What it calls in this program pipelines its calls too.
public nonisolated(nonsending) func withPipelining<Result>(
    _ operation: nonisolated(nonsending) () async throws -> Result
) async rethrows -> Result {
    let pipeline = Pipeline()
    var scope = CallScope.current
    scope.pipeline = pipeline
    let cancel: @convention(c) (UnsafeRawPointer?, UInt64) -> Void = { pipeline, _ in
        guard let pipeline else { return }
        Unmanaged<Pipeline>.fromOpaque(pipeline).takeUnretainedValue().cancel()
    }
    let registration = tk_add_cancellation_handler(cancel, Unmanaged.passUnretained(pipeline).toOpaque(), 0)
    defer {
        tk_remove_cancellation_handler(registration)
        pipeline.close()
    }
    return try await scope.run(operation)
}

/// The calls of one ``withPipelining(_:)`` whose results are not awaited.
@usableFromInline
final class Pipeline: Sendable {
    private struct State {
        var isOpen = true
        var isCancelled = false
        /// By what they are to return.
        var calls: [ObjectIdentifier: (session: NodeSession, call: CallID)] = [:]
    }

    private static let openCount = Atomic<Int>(0)

    /// Whether any is open in this process: as long as none is, calls look no further.
    @usableFromInline static var mayBeOpen: Bool { openCount.load(ordering: .relaxed) > 0 }

    private let state = Mutex(State())

    init() { Self.openCount.add(1, ordering: .relaxed) }

    /// The operation has ended: calls of tasks that it has left behind are awaited.
    func close() {
        Self.openCount.subtract(1, ordering: .relaxed)
        state.withLock { state in
            state.isOpen = false
            state.calls = [:]
        }
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }
    fileprivate var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// A call leaves.
    ///
    /// - Throws: when the task was cancelled.
    func begin(_ call: CallID, of session: NodeSession, for instance: RemoteInstance) throws(TelekinesisError) {
        let isCancelled = state.withLock { state in
            if state.isOpen, !state.isCancelled { state.calls[ObjectIdentifier(instance)] = (session, call) }
            return state.isCancelled
        }
        if isCancelled { throw TelekinesisError(.cancelled, "the task that makes the call was cancelled", ran: .no) }
    }

    /// A call has its answer.
    func end(for instance: RemoteInstance) { state.withLock { _ = $0.calls.removeValue(forKey: ObjectIdentifier(instance)) } }

    /// The task was cancelled: whatever is under way is.
    func cancel() {
        let calls = state.withLock { state in
            state.isCancelled = true
            return state.calls.values.sorted { $0.call < $1.call }
        }
        for (session, call) in calls { session.cancel(call) }
    }
}

extension Node {
    /// Makes a call and returns at once, where pipelining is asked for: a proxy of what the call is to return. `nil` where the result is to be awaited.
    @usableFromInline
    nonisolated(nonsending) func promise<Result>(
        of result: Result.Type, by id: ActorID, _ target: RemoteCallTarget, _ invocation: inout CallEncoder
    ) async throws -> Result? {
        // Stored values among the arguments are held until the answer is there: such a call is awaited.
        guard let pipeline = CallScope.current.pipeline, pipeline.isOpen, session.interceptors.isEmpty, !invocation.hasValues,
            let type = result as? any DistributedActor.Type, try localActor(id) == nil,
            let method = CallTargets.callTarget(for: target)
        else { return nil }
        if id.target.isUnsettled { try await id.target.departure() }
        if let references = invocation.references, !references.placesAreKnown { try await references.findPlaces() }
        let promised = session.promise(by: id.target)
        guard let proxy = try proxy(type, ActorID(promised.target)) as? Result else { return nil }
        if id.target.readsOnlyJSON {
            try invocation.writeReferencesAsText()
            try invocation.writeAsJSON()
        }
        let frame = invocation.frame(selector: method.selector, signature: method.signatureHash)
        try session.call(frame, to: id.target, invocation.flags, invocation.references, for: promised.instance, promised.key, in: pipeline)
        return proxy
    }

    private func proxy<Object: DistributedActor>(_ type: Object.Type, _ id: ActorID) throws -> (any DistributedActor)? {
        guard let id = id as? Object.ID, let system = self as? Object.ActorSystem else { return nil }
        return try Object.resolve(id: id, using: system)
    }
}

extension NodeSession {
    /// An object that a call of another one is to return: where that is known to be, it will be too.
    fileprivate func promise(by caller: ActorTarget) -> (target: ActorTarget, instance: RemoteInstance, key: ActorKey) {
        let key = ActorKey.random()
        let node = if case .remote = caller.place { caller.node } else { NodeID.hub }
        let instance = RemoteInstance(key: key, session: self, at: node == .hub ? nil : node)
        let target = ActorTarget(.object(key), .remote, node: node, lease: instance)
        target.readsOnlyJSON = caller.readsOnlyJSON
        instance.target.withLock { $0.target = target }
        return (target, instance, key)
    }

    /// Makes a call whose result is to have a key, and does not wait.
    fileprivate func call(
        _ frame: SplitBytes, to target: ActorTarget, _ flags: CallFlags, _ references: OutgoingReferences?, for instance: RemoteInstance,
        _ key: ActorKey, in pipeline: Pipeline
    ) throws(TelekinesisError) {
        let id = nextCall.add(1, ordering: .relaxed).oldValue
        let now = loop.now
        let scope = CallScope.current
        let (deadline, wasChosen) = scope.deadline(at: now)
        guard deadline > now else { throw Self.isLate }
        var frame = frame
        var flags = flags
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { bytes in
            key.store(in: bytes, at: 0)
            frame.bytes.insert(contentsOf: bytes, at: FrameType.call.headSize)
        }
        flags.insert(.resultKey)
        if let baggage = scope.baggage { try load(baggage.value, on: &frame, &flags) }
        try pipeline.begin(id, of: self, for: instance)
        let call = OutgoingCall(id: id, target: target, flags: flags, deadline: deadline, frame: frame, references: references, now: now)
        start(
            call, deadlineWasChosen: wasChosen,
            completion: .callback { result in
                // Whom it was made on is held until here: a proxy of that may have been gone at once.
                instance.settled(result, failure: target.failure(in: result))
                pipeline.end(for: instance)
            })
        if pipeline.isCancelled { cancel(id) }
    }
}

extension ActorTarget {
    /// Why a call on this has not returned an object: the method's own error where its type is known here.
    func failure(in result: Result<Reply, TelekinesisError>) -> (any Error)? {
        switch result {
        case .failure(let error): return error
        case .success(let reply):
            guard reply.flags.contains(.isError) else { return nil }
            if let absence { return absence }
            do {
                try reply.throwError()
                return nil
            } catch {
                return error
            }
        }
    }
}
