internal import Reactor
internal import Synchronization
internal import TelekinesisProtocol

/// The dispatchers of a node: that of its own loop, and those of a hub's loops where the hub is in the same process and brings calls on them.
///
/// All calls of one caller go through one dispatcher, or a later one could pass those that still wait in another.
final class Dispatchers: Sendable {
    private struct State {
        /// By loop; `nil` once the node was closed.
        var others: [ObjectIdentifier: Dispatcher]? = [:]
        /// By caller, as long as that is there.
        var chosen: [NodeID: Dispatcher] = [:]
    }

    private let home: Dispatcher
    private let loop: EventLoop
    private let state = Mutex(State())
    /// Whether a call ever came on another loop than the node's own: only then is there a choice.
    private let hasOthers = Atomic<Bool>(false)

    init(loop: EventLoop) {
        self.loop = loop
        home = Dispatcher(loop: loop)
    }

    /// The dispatcher for a call that the calling thread brings.
    ///
    /// - Parameters:
    ///   - caller: who makes it.
    ///   - known: that of another call of the same caller which has no answer yet; asked only for the first call since ``hasOthers``.
    @inline(__always)
    func dispatcher(for caller: NodeID, known: () -> Dispatcher?) -> Dispatcher {
        if loop.isCurrent, !hasOthers.load(ordering: .relaxed) { return home }
        return choose(for: caller, known)
    }

    @inline(never)
    private func choose(for caller: NodeID, _ known: () -> Dispatcher?) -> Dispatcher {
        if let chosen = state.withLock({ $0.chosen[caller] }) { return chosen }
        let current = EventLoop.current
        if current == nil || current === loop, !hasOthers.load(ordering: .relaxed) { return home }
        hasOthers.store(true, ordering: .relaxed)
        let known = known()
        return state.withLock { state in
            guard let all = state.others else { return home }
            if let chosen = state.chosen[caller] { return chosen }
            let dispatcher: Dispatcher
            if let known {
                dispatcher = known
            } else if let current, current !== loop {
                dispatcher = all[ObjectIdentifier(current)] ?? Dispatcher(loop: current)
                state.others?[ObjectIdentifier(current)] = dispatcher
            } else {
                dispatcher = home
            }
            state.chosen[caller] = dispatcher
            return dispatcher
        }
    }

    /// A caller has gone.
    func forget(_ caller: NodeID) {
        if hasOthers.load(ordering: .relaxed) { _ = state.withLock { $0.chosen.removeValue(forKey: caller) } }
    }

    /// All callers have gone.
    func forgetAll() { state.withLock { $0.chosen = [:] } }

    /// The node was closed: see ``Dispatcher/end()``.
    func end() {
        home.end()
        let others = state.withLock { state in
            state.chosen = [:]
            return state.others.take()
        }
        for dispatcher in (others ?? [:]).values { dispatcher.end() }
    }
}
