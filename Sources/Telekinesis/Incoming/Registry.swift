internal import Distributed
internal import Synchronization
internal import TelekinesisProtocol

/// The objects of this node that can be called from elsewhere, by key.
///
/// Published objects are held by their publication, instances of a class by the node that made them. Everything else is only known weakly: an
/// actor that nobody holds any more ends, and its entry with it.
final class Registry: Sendable {
    private enum Entry {
        case ready(Callee)
        /// An instance under construction, and the calls that wait for it in order.
        case pending([IncomingCall])
        /// An instance whose construction failed: calls to it get the error.
        case failed(TelekinesisError)
    }

    private struct State: ~Copyable {
        /// Every actor is removed by `resignID`, at the beginning of its end.
        var local: [ActorKey: Unretained<AnyObject>] = [:]
        var exported = PairTable<Entry>()
        /// Instances by the node that made them.
        var instances: [NodeID: Set<ActorKey>] = [:]
    }

    /// What a key leads to.
    enum Lookup {
        case ready(Callee)
        case pending
        case failed(TelekinesisError)
        case missing
    }

    private let state = Mutex(State())
    private let submit: @Sendable (IncomingCall) -> Void

    /// - Parameter submit: takes the calls that waited for an instance, in order.
    init(submit: @escaping @Sendable (IncomingCall) -> Void) { self.submit = submit }

    // MARK: Actors of this process

    func add(_ actor: any DistributedActor, _ key: ActorKey) { state.withLock { $0.local[key] = Unretained(actor) } }

    func remove(_ key: ActorKey) { state.withLock { $0.local[key] = nil } }

    /// An actor of this process, as long as somebody holds it.
    func actor(_ key: ActorKey) -> (any DistributedActor)? { state.withLock { $0.local[key]?.object as? any DistributedActor } }

    // MARK: Callable from elsewhere

    func export(_ callee: Callee, as key: ActorKey) { state.withLock { $0.exported[key.pair] = .ready(callee) } }

    /// What a key leads to, when that is there.
    func ready(_ key: ActorKey) -> Callee? {
        state.withLock { state in
            if case .ready(let callee) = state.exported[key.pair] { callee } else { nil }
        }
    }

    func callee(_ key: ActorKey) -> Lookup {
        state.withLock { state in
            switch state.exported[key.pair] {
            case nil: .missing
            case .ready(let callee): .ready(callee)
            case .pending: .pending
            case .failed(let error): .failed(error)
            }
        }
    }

    /// Nobody can call the object under this key any more.
    func unexport(_ key: ActorKey) {
        let old = state.withLock { $0.exported.remove(key.pair) }
        // Whatever this was the last holder of ends here, outside of the lock.
        withExtendedLifetime(old) {}
    }

    /// Nobody can call anything any more.
    func unexportAll() {
        let old = state.withLock { state in
            defer {
                state.exported = PairTable()
                state.instances = [:]
            }
            return state.exported.values { _, _ in true }
        }
        for entry in old { discard(entry) }
    }

    // MARK: Instances that other nodes make

    /// A node wants an instance under a key that it has chosen.
    ///
    /// - Throws: when the key is in use, or the node holds too many.
    func begin(_ key: ActorKey, for maker: NodeID, limit: Int) throws(TelekinesisError) {
        let problem = state.withLock { state -> TelekinesisError? in
            guard state.exported[key.pair] == nil, state.local[key] == nil, key != .control else {
                return TelekinesisError(.badArguments, "the key for the new object is in use")
            }
            guard state.instances[maker, default: []].count < limit else {
                return TelekinesisError(.overloaded, "this node holds \(limit) objects of the provider already: release some")
            }
            state.exported[key.pair] = .pending([])
            state.instances[maker, default: []].insert(key)
            return nil
        }
        if let problem { throw problem }
    }

    /// Keeps a call for an instance under construction.
    ///
    /// - Returns: `false` when the instance is no longer under construction: look it up again.
    func wait(_ call: IncomingCall, for key: ActorKey) -> Bool {
        state.withLock { state in
            guard case .pending(var calls) = state.exported[key.pair] else { return false }
            state.exported[key.pair] = nil
            calls.append(call)
            state.exported[key.pair] = .pending(calls)
            return true
        }
    }

    /// The construction of an instance has ended.
    func settle(_ key: ActorKey, _ result: Result<Callee, TelekinesisError>) {
        let (orphan, failed) = state.withLock { state -> (Callee?, [IncomingCall]) in
            guard case .pending(let calls) = state.exported[key.pair] else { return (try? result.get(), []) }
            switch result {
            case .success(let callee):
                state.exported[key.pair] = .ready(callee)
                // Under the lock, so that no later call overtakes those that waited. Nothing of a user's runs here.
                for call in calls {
                    call.assign(callee)
                    submit(call)
                }
                return (nil, [])
            case .failure(let error):
                state.exported[key.pair] = .failed(error)
                return (nil, calls)
            }
        }
        withExtendedLifetime(orphan) {}
        if case .failure(let error) = result {
            for call in failed { call.refuse(error) }
        }
    }

    /// A node gives an instance back.
    func release(_ key: ActorKey, by maker: NodeID) {
        let old = state.withLock { state -> Entry? in
            guard state.instances[maker]?.remove(key) != nil else { return nil }
            if state.instances[maker]?.isEmpty == true { state.instances[maker] = nil }
            return state.exported.remove(key.pair)
        }
        discard(old)
    }

    /// A node has gone, and with it everything that it made.
    func releaseAll(of maker: NodeID) {
        let old = state.withLock { state -> [Entry] in
            (state.instances.removeValue(forKey: maker) ?? []).compactMap { state.exported.remove($0.pair) }
        }
        for entry in old { discard(entry) }
    }

    /// The link is gone, and with it everybody.
    func releaseAllInstances() {
        let makers = state.withLock { Array($0.instances.keys) }
        for maker in makers { releaseAll(of: maker) }
    }

    private func discard(_ entry: Entry?) {
        if case .pending(let calls) = entry {
            for call in calls { call.refuse(TelekinesisError(.noSuchObject, "the object was released while it was being made")) }
        }
    }

    /// How many objects other nodes have made here.
    var instanceCount: Int { state.withLock { $0.instances.values.reduce(0) { $0 + $1.count } } }
}
