internal import Reactor
internal import Synchronization

/// Runs incoming calls on one event loop, in the order in which they came.
///
/// A *worker* is a task that executes one call after the other for as long as none suspends. Before a worker starts a call while others wait, it
/// makes sure that a second worker comes next on the loop: when the first suspends, the second goes on. So a call costs no task of its own, and a
/// method that waits holds nobody up.
///
/// Only the thread that has the loop takes calls, and it brings each to its object before it takes the next: so they arrive in order, and the object's
/// own queue keeps it. A thread may lose the loop while it reads a call's arguments. Whoever takes the next call then finds that one still on its way, and
/// calls of the same caller to the same object wait for it; see ``CallQueue``. Once the loop has ended, workers run wherever there is room, and calls that
/// still come are executed without order.
final class Dispatcher: Sendable {
    private struct State: ~Copyable {
        var queue = CallQueue<IncomingCall>()
        var idle: [Worker] = []
        /// A worker was woken or made and has not begun to take calls.
        var wakeIsDue = false
        /// No worker waits any more: one that did would wait for ever.
        var isOver = false
    }

    private enum Wake {
        case nobody
        case idle(Worker)
        case new
    }

    private static let maximumIdle = 256
    /// How often a thread is looked at that has lost the loop, in nanoseconds.
    private static let pause: Int64 = 500_000

    private let state = Mutex(State())
    /// The ticket of the call that was taken last, until it has arrived; else 0. Set with `state` locked.
    private let onItsWay = Atomic<UInt64>(0)
    private let loop: EventLoop

    init(loop: EventLoop) { self.loop = loop }

    /// Lets the workers go that wait, and those that would. Calls that are queued, or come late, are executed all the same.
    func end() {
        let idle = state.withLock { state in
            state.isOver = true
            defer { state.idle = [] }
            return state.idle
        }
        for worker in idle { worker.dismiss() }
    }

    /// Queues a call. Never runs user code itself.
    func submit(_ call: IncomingCall) {
        let wake = state.withLock { state -> Wake in
            state.queue.append(call)
            return Self.wakeNext(&state)
        }
        perform(wake)
    }

    private static func wakeNext(_ state: inout State) -> Wake {
        guard !state.wakeIsDue else { return .nobody }
        state.wakeIsDue = true
        return state.idle.popLast().map { .idle($0) } ?? .new
    }

    private func perform(_ wake: Wake) {
        switch wake {
        case .nobody: break
        case .idle(let worker): worker.wake()
        case .new: Worker.start(for: self, on: loop) { worker in await self.run(worker) }
        }
    }

    private nonisolated(nonsending) func run(_ worker: Worker) async {
        state.withLock { $0.wakeIsDue = false }
        var job = WorkerJob(at: loop.now)
        while true {
            // Whose thread has lost the loop goes back to the loop; who has executed for a while lets others have it.
            if !(loop.isCurrent || loop.hasStopped) || job.isOver(on: loop) {
                await Task.yield()
                job = WorkerJob(at: loop.now)
                continue
            }
            let (next, wake) = state.withLock { state -> (CallQueue<IncomingCall>.Taken?, Wake) in
                guard let next = take(&state) else { return (nil, .nobody) }
                return (next, state.queue.isEmpty ? .nobody : Self.wakeNext(&state))
            }
            if let next {
                perform(wake)
                worker.way = next.way
                await next.call.run(by: worker)
                worker.arrive()
                if worker.isCancelled { return }
            } else if await park(worker) {
                job = WorkerJob(at: loop.now)
            } else {
                return
            }
        }
    }

    /// Waits to be woken. False: there are enough workers that wait, or nothing is left to wait for.
    private nonisolated(nonsending) func park(_ worker: Worker) async -> Bool {
        await withUnsafeContinuation { continuation in
            let (stays, wake) = state.withLock { state -> (Bool, Wake) in
                guard state.idle.count < Self.maximumIdle, !state.isOver else {
                    return (false, state.queue.isEmpty ? .nobody : Self.wakeNext(&state))
                }
                worker.park(continuation)
                state.idle.append(worker)
                return (true, state.queue.isEmpty ? .nobody : Self.wakeNext(&state))
            }
            perform(wake)
            if !stays { continuation.resume(returning: false) }
        }
            && state.withLock { state in
                state.wakeIsDue = false
                return true
            }
    }
}

// MARK: - The way of a call

extension Dispatcher {
    private func take(_ state: inout State) -> CallQueue<IncomingCall>.Taken? {
        // Only where another thread has lost the loop; nearly always there is nothing to exchange.
        let late = onItsWay.load(ordering: .relaxed) == 0 ? 0 : onItsWay.exchange(0, ordering: .acquiringAndReleasing)
        if late != 0 { state.queue.waitForLast(late) }
        let next = state.queue.next()
        if let next { onItsWay.store(next.way.ticket, ordering: .relaxed) }
        return next
    }

    /// A call comes to its object now: its arguments have been read, or it has none, or keeps no order.
    func arrived(_ way: CallQueue<IncomingCall>.Way) {
        if loop.isCurrent || loop.hasStopped {
            if !isNoLongerOnItsWay(way) { letPass(way) }
            return
        }
        // The thread has lost the loop, and it may stop before its next step, which is to bring the call to its object.
        state.withLock { if isNoLongerOnItsWay(way) { $0.queue.waitForLast(way.ticket) } }
        let step = ThreadStep(of: ThreadStep.currentThread)
        _ = loop.schedule(after: Self.pause) { [self] in letPass(way, after: step) }
    }

    /// - Returns: false where it was found on its way before, so that others wait for it.
    private func isNoLongerOnItsWay(_ way: CallQueue<IncomingCall>.Way) -> Bool {
        onItsWay.compareExchange(expected: way.ticket, desired: 0, ordering: .acquiringAndReleasing).exchanged
    }

    private func letPass(_ way: CallQueue<IncomingCall>.Way, after step: ThreadStep) {
        var step = step
        if step.isOver() { return letPass(way) }
        _ = loop.schedule(after: Self.pause) { [self, step] in letPass(way, after: step) }
    }

    /// Those that wait behind a call need wait no longer.
    private func letPass(_ way: CallQueue<IncomingCall>.Way) {
        let wake = state.withLock { $0.queue.letPass(way) ? Self.wakeNext(&$0) : .nobody }
        perform(wake)
    }
}

/// The time that a worker has had without a pause.
private struct WorkerJob {
    /// Well below the processor time after which a loop may be taken from a thread, in nanoseconds.
    private static let limit: UInt64 = 500_000

    private let start: UInt64
    private var calls = 0

    init(at now: UInt64) { start = now }

    /// Whether another call should have a job of its own.
    mutating func isOver(on loop: EventLoop) -> Bool {
        calls += 1
        // Reading the clock costs as much as a small call.
        return calls & 3 == 0 && loop.now &- start >= Self.limit
    }
}
