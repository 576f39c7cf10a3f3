internal import Synchronization

/// The timers of a loop that has stopped: they keep their times and run on the default executor, or whoever waits for one would wait for ever.
extension EventLoop {
    /// Lets go what is due, and sees to what comes next. To be called whenever the timers have changed after the end.
    func keepTimers() {
        releaseDueTimers()
        switch clock {
        case .virtual(let clock): clock.note(stopped: self)
        case .monotonic: waitForNextTimer()
        }
    }

    /// Whether a virtual clock must know the loop: until it has stopped, and for as long as timers wait after that.
    var isNeeded: Bool { state.withLock { !$0.hasStopped || $0.timers.count > 0 || $0.lateRuns > 0 } }

    private func releaseDueTimers() {
        let now = now
        let due = state.withLock { state in
            let due = state.timers.advance(to: now)
            if !due.isEmpty { state.lateRuns += 1 }
            return due
        }
        guard !due.isEmpty else { return }
        // Never on the thread that adds a timer, which may hold locks. Ends with the closures, which are brief, as jobs are.
        Task.detached { [self] in
            for closure in due { closure() }
            self.state.withLock { state in
                state.lateRuns -= 1
                state.activity += 1
            }
            if case .virtual(let clock) = clock { clock.note(stopped: self) }
        }
    }

    /// One task waits for the next timer, and keeps the loop alive for it.
    private func waitForNextTimer() {
        let now = now
        let outdated = state.withLock { state -> Task<Void, Never>? in
            let next = state.timers.nextAdvance
            if let next, next >= state.wakeTime { return nil }
            state.wakeTime = next ?? .max
            let outdated = state.timekeeper.take()
            state.timekeeper = next.map { next in
                Task.detached { [self] in
                    guard (try? await Task.sleep(nanoseconds: next > now ? next - now : 0)) != nil else { return }
                    self.state.withLock { $0.wakeTime = .max }
                    keepTimers()
                }
            }
            return outdated
        }
        // It waits for a later timer, or for one that was taken back.
        outdated?.cancel()
    }
}
