internal import Reactor
internal import Synchronization

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
    /// The way of the call that it executes, until that has arrived. Touched only by the worker's task.
    nonisolated(unsafe) var way: CallQueue<IncomingCall>.Way?
    /// Held by the worker's task.
    private unowned let dispatcher: Dispatcher

    private init(for dispatcher: Dispatcher) { self.dispatcher = dispatcher }

    /// The call that it executes comes to its object now, or keeps no order; to be told before anything is awaited. Only the first time counts.
    func arrive() {
        guard let arrived = way else { return }
        way = nil
        dispatcher.arrived(arrived)
    }

    /// The memory of the last reply, from now on the caller's.
    func takeSpare() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &spare)
        return taken
    }

    /// Makes a worker on a loop. All have the same priority: Swift's actors serve by priority first, and order would be lost.
    static func start(for dispatcher: Dispatcher, on loop: EventLoop, _ body: @escaping @Sendable (Worker) async -> Void) {
        let worker = Worker(for: dispatcher)
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

    func park(_ continuation: UnsafeContinuation<Bool, Never>) { state.withLock { $0.parked = continuation } }

    func wake() { state.withLock { $0.parked.take() }?.resume(returning: true) }

    func dismiss() { state.withLock { $0.parked.take() }?.resume(returning: false) }
}
