internal import Synchronization

/// A clock for tests: it stands still, and moves from one timer to the next when told to.
///
/// It sees what runs on the loops of its groups. Work elsewhere (the default executor, sockets) goes by unseen, so let the tasks under test prefer
/// the loops as executor.
public final class VirtualClock: Sendable {
    private struct State {
        var loops: [EventLoop] = []
        /// Where the clock is on its way to, and who waits there; the first one is under way.
        var journeys: [(distance: UInt64, target: UInt64?, arrived: CheckedContinuation<Void, Never>)] = []
        var isMoving = false
        var wasAskedAgain = false
    }

    private let time = Atomic<UInt64>(1_000_000_000)
    private let state = Mutex(State())

    /// A clock that has not been moved yet.
    public init() {}

    /// Nanoseconds since some fixed moment.
    public var now: UInt64 { time.load(ordering: .acquiring) }

    /// Moves the time on, stopping at each timer on the way, and returns when these timers and all the jobs they caused have run.
    ///
    /// - Parameter nanoseconds: how far; 0 only waits until the loops have nothing to do.
    public func advance(by nanoseconds: UInt64) async {
        await withCheckedContinuation { continuation in
            state.withLock { $0.journeys.append((nanoseconds, nil, continuation)) }
            move()
        }
    }

    func add(_ loops: [EventLoop]) {
        state.withLock { $0.loops += loops }
    }

    /// Called by a loop that has stopped, and whenever its timers have changed since: it stays known for as long as some wait.
    func note(stopped loop: EventLoop) {
        state.withLock { state in
            state.loops.removeAll { $0 === loop }
            if loop.isNeeded { state.loops.append(loop) }
        }
        move()
    }

    /// Called by a loop that is about to sleep, and by whoever starts a journey.
    func move() {
        // One mover at a time, and outside the lock, because it asks the loops; who comes meanwhile makes it look again.
        let isMover = state.withLock { state in
            state.wasAskedAgain = true
            if state.isMoving { return false }
            state.isMoving = true
            return true
        }
        guard isMover else { return }
        while true {
            let (loops, journey, isDone) = state.withLock { state in
                let isDone = !state.wasAskedAgain || state.journeys.isEmpty
                if isDone { state.isMoving = false }
                state.wasAskedAgain = false
                if let first = state.journeys.first, first.target == nil { state.journeys[0].target = now + first.distance }
                return (state.loops, state.journeys.first, isDone)
            }
            if isDone { return }
            guard let journey, let target = journey.target, areIdle(loops) else { continue }
            if let next = loops.compactMap({ $0.nextTimer }).min(), next <= target {
                time.store(max(next, now), ordering: .releasing)
                for loop in loops { loop.wakeIfDue() }
            } else {
                time.store(target, ordering: .releasing)
                _ = state.withLock { state in
                    state.wasAskedAgain = true
                    return state.journeys.removeFirst()
                }
                journey.arrived.resume()
            }
        }
    }

    /// Whether no loop has anything to do: two looks with nothing done in between, so that work passed from one loop to another is not missed.
    private func areIdle(_ loops: [EventLoop]) -> Bool {
        let first = loops.map { $0.idleMark }
        return !first.contains(nil) && loops.map { $0.idleMark } == first
    }
}
