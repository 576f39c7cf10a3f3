internal import Reactor
internal import Synchronization

/// Runs incoming calls on one event loop, in the order in which they came.
///
/// A *worker* is a task that executes one call after the other for as long as none suspends. Before a worker starts a call while others wait, it
/// makes sure that a second worker comes next on the loop: when the first suspends, the second goes on. So a call costs no task of its own, and a
/// method that waits holds nobody up. Only the thread that owns the loop takes calls from the queue, or their order would be lost. A thread must not lose
/// the loop between taking a call and bringing it to its object, so a worker that has executed many calls lets others have the loop and goes on in a
/// job of its own; and where reading the arguments may take long, later calls of the same caller to the same object wait for it. Once the loop has
/// ended, workers run wherever there is room, and calls that still come are executed without order.
final class Dispatcher: Sendable {
    private struct State: ~Copyable {
        var queue = CallQueue()
        var idle: [Worker] = []
        /// A worker was woken or made and has not begun to take calls.
        var wakeIsDue = false
        /// No worker waits any more: one that did would wait for ever.
        var isOver = false
        /// The calls that wait until the arguments of an earlier one have been read.
        var holds: [IncomingCall.Order: Hold] = [:]
        /// Each hold has a number of its own.
        var lastHold: UInt64 = 0

        /// Takes the next call that need not wait.
        ///
        /// - Returns: it, and the number of the hold that it puts on those behind it; 0 for none.
        mutating func next() -> (call: IncomingCall, hold: UInt64)? {
            while let call = queue.popFirst() {
                guard call.isLongToRead || !holds.isEmpty else { return (call, 0) }
                if holds[call.order] != nil {
                    holds[call.order]?.calls.append(call)
                } else if call.isLongToRead {
                    lastHold += 1
                    holds[call.order] = Hold(number: lastHold)
                    return (call, lastHold)
                } else {
                    return (call, 0)
                }
            }
            return nil
        }
    }

    private struct Hold {
        let number: UInt64
        var calls: [IncomingCall] = []
    }

    private enum Wake {
        case nobody
        case idle(Worker)
        case new
    }

    private static let maximumIdle = 256
    private let state = Mutex(State())
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
        case .new: Worker.start(on: loop) { worker in await self.run(worker) }
        }
    }

    private nonisolated(nonsending) func run(_ worker: Worker) async {
        state.withLock { $0.wakeIsDue = false }
        var job = WorkerJob(at: loop.now)
        while true {
            if job.isOver(on: loop) {
                await Task.yield()
                job = WorkerJob(at: loop.now)
            }
            let mayTake = loop.isCurrent || loop.hasStopped
            let (next, wake) = state.withLock { state -> ((call: IncomingCall, hold: UInt64)?, Wake) in
                guard mayTake, let next = state.next() else { return (nil, .nobody) }
                return (next, state.queue.isEmpty ? .nobody : Self.wakeNext(&state))
            }
            if let (call, hold) = next {
                perform(wake)
                let hasRead = hold == 0 ? nil : whenRead(call.order, hold)
                worker.hasRead = hasRead
                await call.run(by: worker)
                hasRead?.run()
                if worker.isCancelled { return }
            } else if await park(worker) {
                job = WorkerJob(at: loop.now)
            } else {
                return
            }
        }
    }

    /// - Returns: to be run when the arguments of the call, which is about to be executed, have been read.
    private func whenRead(_ order: IncomingCall.Order, _ hold: UInt64) -> Once {
        // Reading runs the user's code.
        let timer = loop.schedule(after: Self.longestReading) { [self] in letPass(order, hold) }
        return Once { [self] in
            timer.cancel()
            if loop.isCurrent { return letPass(order, hold) }
            // On a thread that has lost the loop the call has yet to come to its object: that is its next step.
            let thread = ThreadStep.currentThread
            _ = loop.schedule(after: Self.pause) { [self] in letPass(order, hold, after: ThreadStep(of: thread)) }
        }
    }

    private func letPass(_ order: IncomingCall.Order, _ hold: UInt64, after step: ThreadStep) {
        var step = step
        if step.isOver() { return letPass(order, hold) }
        _ = loop.schedule(after: Self.pause) { [self, step] in letPass(order, hold, after: step) }
    }

    private func letPass(_ order: IncomingCall.Order, _ hold: UInt64) {
        let wake = state.withLock { state -> Wake in
            guard state.holds[order]?.number == hold, let calls = state.holds.removeValue(forKey: order)?.calls, !calls.isEmpty else {
                return .nobody
            }
            state.queue.prepend(calls)
            return Self.wakeNext(&state)
        }
        perform(wake)
    }

    /// How long calls wait for one whose arguments are being read, in nanoseconds.
    private static let longestReading: Int64 = 1_000_000_000
    /// How often a thread is looked at, in nanoseconds.
    private static let pause: Int64 = 500_000

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

/// The time that a worker has had without a pause.
private struct WorkerJob {
    /// Well below the time after which a loop is taken from a thread, in nanoseconds.
    private static let limit: UInt64 = 1_000_000

    private let start: UInt64
    private var calls = 0

    init(at now: UInt64) { start = now }

    /// Whether another call should have a job of its own.
    mutating func isOver(on loop: EventLoop) -> Bool {
        calls += 1
        // Reading the clock costs as much as a small call.
        return calls & 7 == 0 && loop.now &- start >= Self.limit
    }
}

/// A task that executes incoming calls, one after the other.
final class Worker: Sendable {
    private struct State {
        var task: Task<Void, Never>?
        var parked: UnsafeContinuation<Bool, Never>?
        var isCancelled = false
    }

    private let state = Mutex(State())
    /// Where small results are kept until they are written.
    let scratch = ResultScratch()
    /// The memory of the last reply. Touched only by the worker's task.
    nonisolated(unsafe) var spare: [UInt8] = []
    /// To be run when the arguments of the call that it executes have been read, where somebody waits for that. Touched only by the worker's task.
    nonisolated(unsafe) var hasRead: Once?

    private init() {}

    /// The memory of the last reply, from now on the caller's.
    func takeSpare() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &spare)
        return taken
    }

    /// Makes a worker on a loop. All have the same priority: Swift's actors serve by priority first, and order would be lost.
    static func start(on loop: EventLoop, _ body: @escaping @Sendable (Worker) async -> Void) {
        let worker = Worker()
        let task = Task.detached(executorPreference: loop, priority: .medium) { await body(worker) }
        let isCancelled = worker.state.withLock { state in
            state.task = task
            return state.isCancelled
        }
        if isCancelled { task.cancel() }
    }

    /// The call that the worker executes was cancelled: the worker takes no further call.
    ///
    /// - Returns: its task, to be cancelled.
    func retire() -> Task<Void, Never>? {
        state.withLock { state in
            state.isCancelled = true
            return state.task
        }
    }

    /// A call of it was cancelled.
    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    fileprivate func park(_ continuation: UnsafeContinuation<Bool, Never>) { state.withLock { $0.parked = continuation } }

    fileprivate func wake() { state.withLock { $0.parked.take() }?.resume(returning: true) }

    fileprivate func dismiss() { state.withLock { $0.parked.take() }?.resume(returning: false) }
}

/// First in, first out.
struct CallQueue: ~Copyable {
    private var calls: [IncomingCall?] = []
    private var first = 0

    var isEmpty: Bool { first == calls.count }

    mutating func append(_ call: IncomingCall) { calls.append(call) }

    mutating func prepend(_ others: [IncomingCall]) { calls.insert(contentsOf: others, at: first) }

    mutating func popFirst() -> IncomingCall? {
        guard first < calls.count else { return nil }
        let call = calls[first].take()
        first += 1
        if first == calls.count {
            calls.removeAll(keepingCapacity: calls.capacity <= 1024)
            first = 0
        } else if first >= 1024 {
            calls.removeFirst(first)
            first = 0
        }
        return call
    }
}
