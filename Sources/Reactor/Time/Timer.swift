internal import Synchronization

/// A closure that waits for its time; see ``EventLoop/schedule(after:_:)``.
public struct Timer: Sendable {
    let loop: EventLoop
    let id: TimerWheel<@Sendable () -> Void>.ID

    /// Takes the closure back. Has no effect if it has run, has been queued to run or was cancelled before. Callable from any thread.
    public func cancel() {
        let (closure, wasLast) = loop.state.withLock { state in
            let closure = state.timers.cancel(id)
            return (closure, state.hasStopped && state.timers.count == 0)
        }
        // Returned out of the lock first: what the closure holds may run code of its own when released.
        withExtendedLifetime(closure) {}
        if wasLast { loop.keepTimers() }
    }
}
