internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension IncomingCalls {
    func release(_ frame: Frame) {
        let isOfResult = ReleaseFlags(rawValue: frame.flags).contains(.result)
        if registry.release(frame.key, by: frame.peer, count: Int(frame.count), mayComeEarly: !isOfResult) { forgetDebtsLater() }
    }

    /// How long the word that something is handed over may come after it was given back, in nanoseconds: longer than a connection lives unheard.
    private static let debtTime: Int64 = 60_000_000_000

    private func forgetDebtsLater() {
        _ = loop.schedule(after: Self.debtTime) { [weak self] in
            if let self, registry.forgetOldDebts() { forgetDebtsLater() }
        }
    }

    /// A node has handed an object of this one to another.
    func share(_ frame: Frame) {
        do throws(TelekinesisError) {
            try registry.share(frame.key, with: frame.holder, by: frame.peer)
        } catch {
            configuration.logger.warning(
                "a reference that was handed on is not kept", ["giver": frame.peer.description, "error": error.description])
        }
    }

    /// A caller, or all of them, are about to be forgotten: calls of theirs that still run remember them.
    func keepCallers(_ caller: NodeID? = nil) {
        guard let session = node.session else { return }
        for call in state.withLock({ $0.running.values { _, call in caller == nil || call.id.source == caller } }) {
            if let caller = session.caller(call.id.source) { call.keep(caller) }
        }
    }

    /// A caller has gone: what it waits for is cancelled, what it made is released.
    func peerHasGone(_ peer: NodeID) {
        let calls = state.withLock { $0.running.values { _, call in call.id.source == peer } }
        for call in calls { stop(call) }
        loseReaders { $0.source == peer }
        let arriving = state.withLock { state in
            state.downloads.removeAll { $0 == peer }
            return state.uploads.calls.keys.filter { $0.source == peer }
        }
        for id in arriving { drop(id, Self.cancelled) }
        registry.releaseAll(of: peer)
        dispatchers.forget(peer)
        noteIdle()
    }

    /// The connection is gone, and with it every caller.
    func linkEnded() {
        let calls = state.withLock { $0.running.values { _, _ in true } }
        for call in calls { stop(call) }
        loseReaders { _ in true }
        let arriving = state.withLock { state in
            state.downloads.removeAll { _ in true }
            return Array(state.uploads.calls.keys)
        }
        for id in arriving { drop(id, Self.cancelled) }
        registry.releaseAll()
        dispatchers.forgetAll()
        noteIdle()
    }
}
