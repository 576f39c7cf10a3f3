internal import Reactor
internal import Synchronization

extension IncomingCalls {
    /// Tells those who wait for it that nothing is under way, if that is so.
    func noteIdle() {
        let (onIdle, waiters) = state.withLock { state -> ((@Sendable () -> Void)?, [Once]) in
            guard state.isIdle else { return (nil, []) }
            defer { state.idleWaiters = [] }
            return (state.onIdle, state.idleWaiters)
        }
        onIdle?()
        for waiter in waiters { waiter.run() }
    }

    /// From now on calls are refused as `moved`.
    func refuseCalls() { state.withLock { $0.isRefusing = true } }

    /// Whether they are.
    var isRefusing: Bool { state.withLock { $0.isRefusing } }

    /// Calls that run, large arguments that arrive, their bytes, and large results that leave.
    var counts: [Int] { state.withLock { [$0.running.count, $0.uploads.calls.count, $0.uploads.bytes, $0.downloads.count] } }

    /// Whether no call runs and no result is on its way.
    var isIdle: Bool { state.withLock { $0.isIdle } }

    /// Waits until no call runs any more.
    func waitUntilIdle(atMost limit: Duration) async {
        await withCheckedContinuation { continuation in
            let once = Once { continuation.resume() }
            let timer = loop.schedule(after: limit.nanoseconds) { once.run() }
            let waiter = Once {
                timer.cancel()
                once.run()
            }
            state.withLock { $0.idleWaiters.append(waiter) }
            noteIdle()
        }
    }

    /// Says whom to tell whenever the last call has its answer.
    func onIdle(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onIdle = body } }
}
