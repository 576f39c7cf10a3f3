internal import CSystem
internal import Synchronization

/// Something whose output a loop writes at the end of its turn; see ``EventLoop/flushAtEndOfTick(_:)``.
public protocol Flushable: AnyObject, Sendable {
    /// Writes what has been collected. Called by a loop outside jobs, and must be brief: other connections wait.
    func flush()
}

/// One thread that waits for sockets and timers and runs jobs: those of tasks and actors that prefer it as their executor, and closures.
///
/// Jobs run in the order in which they were queued, one after the other, until one does not end: a job that has run for 10 ms loses the
/// loop, and goes on by itself while another thread takes over everything else. A loop is therefore *not* a serial executor:
/// what jobs share is guarded by actors or locks.
public final class EventLoop: TaskExecutor, Sendable {
    /// The thread's claim to the loop that it runs.
    private final class Seat: Sendable {
        let loop: EventLoop
        let owner: UInt64

        init(loop: EventLoop, owner: UInt64) {
            self.loop = loop
            self.owner = owner
        }

        static var current: Seat? { tk_thread_slot().map { Unmanaged<Seat>.fromOpaque($0).takeUnretainedValue() } }

        var isValid: Bool { loop.owner.load(ordering: .acquiring) == owner }
    }

    let state: Mutex<LoopState>
    let poller: any Poller
    let clock: LoopClock
    /// Number of the claim that is valid. Changed only with `state` locked.
    private let owner = Atomic<UInt64>(1)
    /// Set with `state` locked, when there was nothing to do; reset by whoever brings work, who then wakes the poller, or by the loop itself.
    private let isSleeping = Atomic<Bool>(false)
    private let watchdog: Watchdog?
    // The following are touched only by the thread that has the loop, outside jobs; a hand-over passes through the lock.
    nonisolated(unsafe) private var spinner: Spinner
    nonisolated(unsafe) private var unfinished: [Watch] = []
    /// Where the loop's streams read into: idle connections own no buffer.
    nonisolated(unsafe) let scratch: UnsafeMutableRawBufferPointer

    /// Half a MiB, and the heads of what that comes in: a sender that writes so much at once is read at once, and few messages are cut.
    private static let scratchSize = 544 * 1024

    init(clock: LoopClock, polling: Polling, watchdog: Watchdog?) throws(SystemError) {
        self.clock = clock
        self.watchdog = watchdog
        poller = try EpollPoller()
        state = Mutex(LoopState(now: clock.now))
        spinner = Spinner(polling)
        scratch = .allocate(byteCount: Self.scratchSize, alignment: 4096)
    }

    deinit {
        scratch.deallocate()
    }

    /// The loop that the calling thread runs; nil on other threads, and on one whose job ran for so long that it lost its loop.
    public static var current: EventLoop? {
        guard let seat = Seat.current, seat.isValid else { return nil }
        return seat.loop
    }

    /// Whether the calling thread runs this loop.
    public var isCurrent: Bool {
        guard let slot = tk_thread_slot() else { return false }
        return Unmanaged<Seat>.fromOpaque(slot)._withUnsafeGuaranteedRef { $0.loop === self && $0.isValid }
    }

    /// Has `flushable.flush()` called at the end of the turn of the loop that the calling thread runs; see
    /// ``EventLoop/flushAtEndOfTick(_:)``.
    ///
    /// - Returns: whether it will be: false on threads that run no loop.
    public static func flushAtEndOfTick(_ flushable: any Flushable) -> Bool {
        guard let slot = tk_thread_slot() else { return false }
        return Unmanaged<Seat>.fromOpaque(slot)._withUnsafeGuaranteedRef { seat in
            seat.loop.collect(flushable, for: seat)
        }
    }

    /// Whether the loop has ended: what is queued from now on runs on the default executor.
    public var hasStopped: Bool { state.withLock { $0.hasStopped } }

    /// Nanoseconds of the group's clock.
    public var now: UInt64 { clock.now }

    /// The same, a few milliseconds late, for what is reckoned in seconds.
    public var coarseNow: UInt64 { clock.coarse }

    /// Queues a job of the Swift runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        submit(.job(UnownedJob(job)))
    }

    /// Queues a closure, from any thread. It runs soon, as a job.
    public func execute(_ work: @escaping @Sendable () -> Void) {
        submit(.closure(work))
    }

    private func submit(_ work: Work) {
        let (isAccepted, wakes) = state.withLock { state in
            if state.hasStopped { return (false, false) }
            state.jobs.append(work)
            return (true, wakesUp(&state))
        }
        if wakes { poller.wake() }
        if !isAccepted { Self.runElsewhere(work) }
    }

    /// Queues a closure for later, from any thread. It runs as a job, and on the default executor if the loop has stopped by then.
    ///
    /// - Parameter nanoseconds: how long to wait, at least; up to a millisecond may be added.
    public func schedule(after nanoseconds: Int64, _ work: @escaping @Sendable () -> Void) -> Timer {
        let (deadline, overflow) = now.addingReportingOverflow(UInt64(max(nanoseconds, 0)))
        let (id, wakes, isLate) = state.withLock { state in
            let id = state.timers.insert(at: overflow ? .max : deadline, work)
            return (id, deadline < state.wakeTime && wakesUp(&state), state.hasStopped)
        }
        if wakes { poller.wake() }
        if isLate { keepTimers() }
        return Timer(loop: self, id: id)
    }

    /// Has `flushable.flush()` called at the end of the turn, before the loop sleeps, so that many small outputs become one write.
    ///
    /// - Returns: whether it will be: only if the calling thread runs this loop. Else the caller must flush by itself. Each call asks for one
    ///   flush; not asking twice is the caller's business.
    public func flushAtEndOfTick(_ flushable: any Flushable) -> Bool {
        guard let seat = Seat.current, seat.loop === self else { return false }
        return collect(flushable, for: seat)
    }

    private func collect(_ flushable: any Flushable, for seat: Seat) -> Bool {
        state.withLock { state in
            guard seat.isValid, !state.hasStopped else { return false }
            state.flushables.append(flushable)
            return true
        }
    }

    /// Notes that there is work; whether the poller must be woken for it. Called with the lock held.
    private func wakesUp(_ state: inout LoopState) -> Bool {
        guard isSleeping.load(ordering: .relaxed) else { return false }
        isSleeping.store(false, ordering: .relaxed)
        return true
    }

    /// Jobs that come after the end must run all the same, or their tasks would wait for ever.
    private static func runElsewhere(_ work: Work) {
        switch work {
        case .job(let job): globalConcurrentExecutor.enqueue(ExecutorJob(job))
        case .closure(let closure): Task.detached { closure() }
        }
    }
}

// MARK: - Descriptors

extension EventLoop {
    /// Begins a watch. Callable from any thread; the source may be called before this returns.
    func begin(_ watch: Watch, for interest: Interest) throws(SystemError) {
        let isRunning = state.withLock { state in
            if state.hasStopped { return false }
            state.watches[watch.token] = watch
            return true
        }
        guard isRunning else { throw .cancelled("watch a descriptor on a stopped event loop") }
        do {
            try poller.add(watch.descriptor, for: interest, token: watch.token)
        } catch {
            // A loop that stopped in between has told the source already, which may have closed the descriptor.
            if state.withLock({ $0.watches.removeValue(forKey: watch.token) }) != nil { throw error }
        }
    }

    /// Ends a watch, once; the source hears `unwatched()` soon, on the loop. Callable from any thread.
    func end(_ watch: Watch) {
        poller.remove(watch.descriptor)
        let wakes = state.withLock { state in
            // A stopped loop has told the source already, or is about to.
            if state.hasStopped { return false }
            state.unwatched.append(watch)
            return wakesUp(&state)
        }
        if wakes { poller.wake() }
    }
}

// MARK: - Running

extension EventLoop {
    /// Runs the loop on the calling thread until it ends or is lost to another thread.
    func run(owner claim: UInt64) {
        let seat = Seat(loop: self, owner: claim)
        tk_set_thread_slot(Unmanaged.passUnretained(seat).toOpaque())
        defer {
            tk_set_thread_slot(nil)
            withExtendedLifetime(seat) {}
        }
        let thread = tk_thread_id()
        state.withLock { if owner.load(ordering: .relaxed) == claim { $0.thread = thread } }
        let executor = asUnownedTaskExecutor()
        var turn = LoopTurn(start: now)
        while true {
            switch nextStep(claim, &turn) {
            case .run(let work):
                if turn.wakesWatchdog { watchdog?.unpark() }
                switch work {
                case .job(let job): job.runSynchronously(on: executor)
                case .closure(let closure): closure()
                }
            case .flush:
                for flushable in turn.flushables { flushable.flush() }
                turn.flushables.removeAll(keepingCapacity: true)
            case .close(let watches):
                for watch in watches { watch.end() }
            case .spin:
                spin(&turn)
            case .poll(let timeout):
                poll(timeout)
                turn.begin(at: now)
            case .lost:
                return
            case .stop(let watches):
                for watch in watches {
                    poller.remove(watch.descriptor)
                    watch.end()
                }
                keepTimers()
                return
            }
        }
    }

    private func nextStep(_ claim: UInt64, _ turn: inout LoopTurn) -> LoopStep {
        state.withLock { state in
            guard owner.load(ordering: .relaxed) == claim else { return .lost }
            let step = state.next(&turn, clock: clock, hasUnfinishedReads: !unfinished.isEmpty)
            switch step {
            case .run:
                turn.wakesWatchdog = watchdog?.isParked ?? false
            case .poll(let timeout) where timeout != .none:
                if !turn.hasSpun, spinner.spinsNow() { return .spin }
                isSleeping.store(true, ordering: .relaxed)
            default: break
            }
            return step
        }
    }

    private func poll(_ timeout: PollTimeout) {
        if case .virtual(let clock) = clock, timeout != .none { clock.move() }
        let again = unfinished
        unfinished = []
        // No lock: who sees the old value wakes the poller once too often, nothing more.
        _ = poller.wait(timeout) { [self] token, readiness in
            isSleeping.store(false, ordering: .relaxed)
            guard let watch = Watch.of(token: token) else { return }
            if watch.ready(readiness, on: self) { unfinished.append(watch) }
        }
        isSleeping.store(false, ordering: .relaxed)
        for watch in again where watch.ready(.readable, on: self) { unfinished.append(watch) }
    }

    private func spin(_ turn: inout LoopTurn) {
        let end = now + spinner.nanoseconds
        var isFirstLook = true
        repeat {
            var hasEvents = false
            _ = poller.wait(.none) { [self] token, readiness in
                hasEvents = true
                guard let watch = Watch.of(token: token) else { return }
                if watch.ready(readiness, on: self) { unfinished.append(watch) }
            }
            if hasEvents || state.withLock({ !$0.jobs.isEmpty || !$0.unwatched.isEmpty }) {
                // What was there already says nothing about the use of polling.
                if !isFirstLook { spinner.found() }
                turn.begin(at: now)
                return
            }
            isFirstLook = false
        } while now < end
        spinner.missed()
        turn.hasSpun = true
    }

    /// Asks the loop to end when it has nothing left to do. Jobs that come later run on the default executor.
    func stop() {
        let wakes = state.withLock { state in
            state.isStopping = true
            return wakesUp(&state)
        }
        if wakes { poller.wake() }
    }
}

// MARK: - Being watched

extension EventLoop {
    /// What a watchdog sees of a loop.
    struct Sight: Sendable {
        var runningJob: UInt64
        var lastJob: UInt64
        var thread: Int32
    }

    var sight: Sight {
        state.withLock { Sight(runningJob: $0.runningJob, lastJob: $0.lastJob, thread: $0.thread) }
    }

    /// Takes the loop from the thread that still runs `job`. Returns the new claim, or nil if the job has ended meanwhile.
    func takeFrom(job: UInt64) -> UInt64? {
        state.withLock { state in
            guard state.runningJob == job, !state.hasStopped else { return nil }
            state.runningJob = 0
            return owner.wrappingAdd(1, ordering: .releasing).newValue
        }
    }

    /// The next moment at which a virtual clock must stop for this loop's timers.
    var nextTimer: UInt64? { state.withLock { $0.timers.nextAdvance } }

    /// Lets a sleeping loop look at its timers after a virtual clock has moved.
    func wakeIfDue() {
        let now = now
        let (wakes, isLate) = state.withLock { state in
            guard let next = state.timers.nextAdvance, next <= now else { return (false, false) }
            return (wakesUp(&state), state.hasStopped)
        }
        if wakes { poller.wake() }
        if isLate { keepTimers() }
    }

    /// Nil while there is something to do now; else a mark that changes with whatever is done.
    var idleMark: UInt64? {
        let now = now
        return state.withLock { state in
            let isDue = state.timers.nextAdvance.map { $0 <= now } ?? false
            if state.hasStopped { return state.lateRuns == 0 && !isDue ? state.activity : nil }
            return isSleeping.load(ordering: .relaxed) && state.jobs.isEmpty && state.unwatched.isEmpty && !isDue ? state.activity : nil
        }
    }
}
