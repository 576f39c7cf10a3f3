/// The threads of a group: one for each loop, and spare ones for loops whose thread is stuck in a job.
final class Crew: Sendable {
    /// How many threads may be stuck at a time, beyond one for each loop.
    static let spares = 64
    /// Spare threads kept for the next time.
    private static let idleThreads = 2

    private struct State {
        var waiting: [(loop: EventLoop, owner: UInt64)] = []
        var reserved = 0
        var idle = 0
        var threads = 0
        var isDismissed = false
        var hasWarned = false
    }

    private let state = Condition(State())
    private let limit: Int
    private let warn: @Sendable (String) -> Void

    init(loops: Int, warn: @escaping @Sendable (String) -> Void) {
        limit = loops + Self.spares
        self.warn = warn
    }

    /// Whether a thread is to be had for one more loop; `seat` must follow.
    func reserve() -> Bool {
        let (isReserved, starts, warns) = state.withLock { state -> (Bool, Bool, Bool) in
            if state.idle > state.reserved + state.waiting.count {
                state.reserved += 1
                return (true, false, false)
            }
            if state.threads < limit {
                state.reserved += 1
                state.threads += 1
                return (true, true, false)
            }
            defer { state.hasWarned = true }
            return (false, false, !state.hasWarned)
        }
        if warns { warn("\(Self.spares) jobs block the threads of their event loop; a loop now waits until one of them ends") }
        if starts, !startThread("loop", { [self] in work() }) {
            state.withLock {
                $0.threads -= 1
                $0.reserved -= 1
            }
            warn("the system refused another thread for an event loop")
            return false
        }
        return isReserved
    }

    /// Gives the reserved thread its loop, or with nil nothing to do after all.
    func seat(_ assignment: (loop: EventLoop, owner: UInt64)?) {
        state.withLock {
            $0.reserved -= 1
            if let assignment { $0.waiting.append(assignment) }
        }
        state.signal()
    }

    /// Lets threads without a loop go. One that is needed for a loop that has not ended yet is still to be had.
    func dismiss() {
        state.withLock { $0.isDismissed = true }
        state.signalAll()
    }

    private func work() {
        while let (loop, owner) = nextAssignment() { loop.run(owner: owner) }
    }

    private func nextAssignment() -> (EventLoop, UInt64)? {
        state.withLock { $0.idle += 1 }
        return state.wait { state -> (EventLoop, UInt64)?? in
            if !state.waiting.isEmpty {
                state.idle -= 1
                state.hasWarned = false
                return state.waiting.removeFirst()
            }
            // A promised thread stays, dismissed or not: the loop that it is to get has lost its own already.
            let kept = state.reserved + (state.isDismissed ? 0 : Self.idleThreads)
            guard state.idle > kept else { return .none }
            state.idle -= 1
            state.threads -= 1
            return .some(nil)
        }
    }
}
