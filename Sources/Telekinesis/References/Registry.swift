internal import Distributed
internal import Synchronization
internal import TelekinesisProtocol

/// The objects of this node that can be called from elsewhere, by key.
///
/// An entry lives as long as it is published, held by another node, or pinned by a call that hands it over. Every other actor is only known
/// weakly: it can be called by whoever knows its key, and ends when nobody in this process holds it any more.
final class Registry: Sendable {
    private enum Slot {
        case ready(Callee)
        /// An object under construction, and the calls that wait for it in order.
        case pending([IncomingCall])
        /// An object whose construction failed: calls to it get the error.
        case failed(TelekinesisError)
    }

    private struct Entry {
        var slot: Slot
        var isPublished = false
        /// Nodes that hold it.
        var holders = 0
        /// Calls under way that hand it over, to whom is not known yet.
        var pins = 0

        var isNeeded: Bool { isPublished || holders > 0 || pins > 0 }
    }

    private struct State: ~Copyable {
        /// Every actor is removed by `resignID`, at the beginning of its end.
        var local: [ActorKey: Unretained<AnyObject>] = [:]
        var entries = PairTable<Entry>()
        var holdings = Holdings()
        /// The node was closed: whatever comes late is not kept. Nobody would let go of it any more, and the objects hold the node.
        var isClosed = false

        /// Changes an entry, and takes it out when nobody needs it any more.
        mutating func update(_ key: ActorKey, _ body: (inout Entry) -> Void) -> Slot? {
            guard var entry = entries.remove(key.pair) else { return nil }
            body(&entry)
            if entry.isNeeded {
                entries[key.pair] = entry
                return nil
            }
            return entry.slot
        }

        mutating func apply(_ effect: Holdings.Effect, to key: ActorKey) -> Slot? {
            switch effect {
            case .none: nil
            case .held: update(key) { $0.holders += 1 }
            case .freed: update(key) { $0.holders -= 1 }
            }
        }
    }

    /// What a key leads to.
    enum Lookup {
        case ready(Callee)
        case pending
        case failed(TelekinesisError)
        case missing
    }

    private let state = Mutex(State())
    /// How many objects one other node may hold here.
    private let limit: Int
    /// Whether some node has not yet used what a third one handed to it.
    private let hasUnclaimed = Atomic<Bool>(false)

    /// - Parameter limit: how many objects one other node may hold.
    init(limit: Int) { self.limit = limit }

    // MARK: Actors of this process

    func add(_ actor: any DistributedActor, _ key: ActorKey) { state.withLock { $0.local[key] = Unretained(actor) } }

    func remove(_ key: ActorKey) { state.withLock { $0.local[key] = nil } }

    /// An actor of this process, as long as somebody holds it.
    func actor(_ key: ActorKey) -> (any DistributedActor)? { state.withLock { $0.local[key]?.object as? any DistributedActor } }

    // MARK: Finding

    /// What a key leads to, when that is there and needed by somebody.
    func ready(_ key: ActorKey) -> Callee? {
        state.withLock { state in
            if case .ready(let callee) = state.entries[key.pair]?.slot { callee } else { nil }
        }
    }

    /// What a key leads to.
    func callee(_ key: ActorKey) -> Lookup {
        let lookup: Lookup? = state.withLock { state in
            switch state.entries[key.pair]?.slot {
            case nil: nil
            case .ready(let callee): .ready(callee)
            case .pending: .pending
            case .failed(let error): .failed(error)
            }
        }
        return lookup ?? living(key).map { .ready($0) } ?? .missing
    }

    /// What is called when somebody who gets an actor of this process calls it; `nil` when it has ended, or is another node's.
    func exportable(_ key: ActorKey) -> Callee? { ready(key) ?? living(key) }

    /// An actor that nobody elsewhere holds, as long as it lives: who knows its key may call it.
    private func living(_ key: ActorKey) -> Callee? {
        guard let actor = actor(key), let table = try? MethodTable.of(type(of: actor)) else { return nil }
        return Callee(.object(actor, table))
    }

    // MARK: Published

    /// From now on everybody who knows the key, or a name that leads to it, can call this.
    func publish(_ callee: Callee, as key: ActorKey) {
        state.withLock { state in
            guard !state.isClosed else { return }
            var entry = state.entries.remove(key.pair) ?? Entry(slot: .ready(callee))
            // Under a further name without a limit of its own, what was published before keeps the one that it has.
            if case .ready(let old) = entry.slot, old.gate != nil, callee.gate == nil {} else { entry.slot = .ready(callee) }
            entry.isPublished = true
            state.entries[key.pair] = entry
        }
    }

    /// No name leads to the object any more.
    func unpublish(_ key: ActorKey) { discard(state.withLock { $0.update(key) { $0.isPublished = false } }) }

    /// Nobody can call anything any more, and nothing is taken in.
    func close() {
        let old = state.withLock { state in
            state.isClosed = true
            _ = state.holdings.removeAll()
            defer { state.entries = PairTable() }
            return state.entries.values { _, _ in true }
        }
        for entry in old { discard(entry.slot) }
    }

    // MARK: Handed over

    /// A call that is on its way hands something over; to whom is not known yet.
    func pin(_ callee: Callee, as key: ActorKey) {
        state.withLock { state in
            guard !state.isClosed else { return }
            var entry = state.entries.remove(key.pair) ?? Entry(slot: .ready(callee))
            entry.pins += 1
            state.entries[key.pair] = entry
        }
    }

    /// The call has arrived, or will not.
    func unpin(_ key: ActorKey) { discard(state.withLock { $0.update(key) { $0.pins -= 1 } }) }

    /// Something is handed to another node.
    ///
    /// - Throws: `overloaded` when that node holds too much already.
    func give(_ callee: Callee, as key: ActorKey, to holder: NodeID) throws(TelekinesisError) {
        let old = try state.withLock { (state) throws(TelekinesisError) -> Slot? in
            guard !state.isClosed else { return nil }
            let effect = try state.holdings.give(key, to: holder, limit: limit)
            if state.entries[key.pair] == nil { state.entries[key.pair] = Entry(slot: .ready(callee)) }
            return Self.settle(&state, effect, key)
        }
        discard(old)
    }

    /// A node has handed an object of this one to a third. What nobody has is not noted: the giver would have had it until now.
    ///
    /// - Throws: `overloaded` when the giver has handed too much to others that they did not use yet.
    func share(_ key: ActorKey, with holder: NodeID, by giver: NodeID) throws(TelekinesisError) {
        let living = ready(key) == nil ? living(key) : nil
        let old = try state.withLock { (state) throws(TelekinesisError) -> Slot? in
            guard !state.isClosed, state.entries[key.pair] != nil || living != nil || state.holdings.isOwed(key, by: holder) else {
                return nil
            }
            let effect = try state.holdings.give(key, to: holder, by: giver, limit: limit)
            if state.entries[key.pair] == nil, let living { state.entries[key.pair] = Entry(slot: .ready(living)) }
            hasUnclaimed.store(state.holdings.unclaimed > 0, ordering: .relaxed)
            return Self.settle(&state, effect, key)
        }
        discard(old)
        withExtendedLifetime(living) {}
    }

    /// A node uses what it was given.
    @inline(__always)
    func claim(_ key: ActorKey, by holder: NodeID) {
        guard hasUnclaimed.load(ordering: .relaxed) else { return }
        state.withLock { state in
            state.holdings.claim(key, by: holder)
            hasUnclaimed.store(state.holdings.unclaimed > 0, ordering: .relaxed)
        }
    }

    /// A node gives references back.
    ///
    /// - Parameter mayComeEarly: whether it may have got them from a third node, of which this one has not heard yet.
    /// - Returns: whether this was the first of something that it had not been given, as it seems: have ``forgetOldDebts()`` called now and then.
    @discardableResult
    func release(_ key: ActorKey, by holder: NodeID, count: Int, mayComeEarly: Bool = true) -> Bool {
        let (old, isFirstDebt) = state.withLock { state in
            guard !state.isClosed else { return (Slot?.none, false) }
            let hadDebts = state.holdings.hasDebts
            let effect = state.holdings.take(key, from: holder, count: count, mayComeEarly: mayComeEarly, limit: limit)
            return (state.apply(effect, to: key), !hadDebts && state.holdings.hasDebts)
        }
        discard(old)
        return isFirstDebt
    }

    /// Forgets what was given back long ago and never given: the word of that was lost with a connection.
    ///
    /// - Returns: whether something is left to be looked at again.
    func forgetOldDebts() -> Bool {
        state.withLock { state in
            state.holdings.forgetOldDebts()
            return state.holdings.hasDebts
        }
    }

    /// A node has gone, and with it everything that it held.
    func releaseAll(of holder: NodeID) {
        let old = state.withLock { state in state.holdings.removeAll(of: holder, limit: limit).compactMap { state.apply(.freed, to: $0) } }
        for slot in old { discard(slot) }
    }

    /// The link is gone, and with it everybody.
    func releaseAll() {
        let old = state.withLock { state in state.holdings.removeAll().compactMap { state.apply(.freed, to: $0) } }
        for slot in old { discard(slot) }
    }

    /// How many objects other nodes hold here, once for each holder.
    var heldCount: Int { state.withLock { $0.holdings.count } }

    /// How many objects can be called from elsewhere because somebody needs them.
    var entryCount: Int { state.withLock { $0.entries.count } }

    private static func settle(_ state: inout State, _ effect: Holdings.Effect, _ key: ActorKey) -> Slot? {
        // An entry that was only made for this goes again when the holder had given it back before.
        if case .none = effect { return state.update(key) { _ in } }
        return state.apply(effect, to: key)
    }

    // MARK: Objects that other nodes have made

    /// A node wants an object under a key that it has chosen: one that it makes, or that a method is to return.
    ///
    /// - Throws: when the key is in use, or the node holds too many.
    func begin(_ key: ActorKey, for maker: NodeID) throws(TelekinesisError) {
        try state.withLock { (state) throws(TelekinesisError) in
            guard !state.isClosed else { throw TelekinesisError(.moved, "this node was closed", ran: .no) }
            guard state.entries[key.pair] == nil, state.local[key] == nil, key != .control, !state.holdings.holds(key, maker) else {
                throw TelekinesisError(.badArguments, "the key for the new object is in use")
            }
            let effect = try state.holdings.give(key, to: maker, limit: limit)
            // Where it was given back before it was made there is no holder, and it ends as soon as it is there.
            if case .held = effect { state.entries[key.pair] = Entry(slot: .pending([]), holders: 1) }
        }
    }

    /// Keeps a call for an object under construction.
    ///
    /// - Returns: `false` when the object is no longer under construction: look it up again.
    func wait(_ call: IncomingCall, for key: ActorKey) -> Bool {
        state.withLock { state in
            state.entries.update(key.pair) { entry in
                guard case .pending(var calls) = entry.slot else { return false }
                // Owned by nobody else, so that appending copies nothing.
                entry.slot = .pending([])
                calls.append(call)
                entry.slot = .pending(calls)
                return true
            } ?? false
        }
    }

    /// The construction of an object has ended, or the call that was to return it.
    func settle(_ key: ActorKey, _ result: Result<Callee, TelekinesisError>) {
        let failed = settleOne(key, result)
        if case .failure(let error) = result { refuse(failed, error) }
    }

    /// Answers calls that waited in vain, and those that waited for what they were to return, and so on: a loop, since others decide how long such a
    /// chain is.
    func refuse(_ calls: [IncomingCall], _ error: TelekinesisError) {
        var left = calls[...]
        while let call = left.popFirst() {
            call.refuse(error)
            if let key = call.action.key { left += settleOne(key, .failure(error)) }
        }
    }

    /// - Returns: the calls that waited in vain.
    private func settleOne(_ key: ActorKey, _ result: Result<Callee, TelekinesisError>) -> [IncomingCall] {
        let (orphan, failed) = state.withLock { state -> (Callee?, [IncomingCall]) in
            guard var entry = state.entries[key.pair], case .pending(let calls) = entry.slot else { return (try? result.get(), []) }
            defer { state.entries[key.pair] = entry }
            switch result {
            case .success(let callee):
                entry.slot = .ready(callee)
                // Under the lock, so that no later call overtakes those that waited. Nothing of a user's runs here.
                for call in calls {
                    call.assign(callee)
                    call.submit()
                }
                return (nil, [])
            case .failure(let error):
                entry.slot = .failed(error)
                return (nil, calls)
            }
        }
        withExtendedLifetime(orphan) {}
        return failed
    }

    /// Lets go of something outside of the lock: whatever this was the last holder of ends here.
    private func discard(_ slot: Slot?) {
        if case .pending(let calls) = slot {
            refuse(calls, TelekinesisError(.noSuchObject, "the object was released while it was being made", ran: .no))
        }
    }
}
