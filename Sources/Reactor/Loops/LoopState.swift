/// One thing for a loop to run as a job: user code, one at a time, which may lose the loop while it runs.
enum Work: Sendable {
    case job(UnownedJob)
    case closure(@Sendable () -> Void)
}

/// What a loop's thread does next.
enum LoopStep {
    case run(Work)
    /// Write what the jobs of this turn have produced: ``LoopTurn/flushables``.
    case flush
    /// Close what is no longer watched.
    case close([Watch])
    /// Poll for a short while before sleeping.
    case spin
    /// End of the turn: look for ready descriptors, and sleep if there is nothing else to do.
    case poll(PollTimeout)
    /// Another thread has the loop now.
    case lost
    /// The loop has ended; these descriptors were still watched.
    case stop([Watch])
}

/// One round of a loop: from one poll to the next. Belongs to the thread that runs the loop.
struct LoopTurn {
    /// Time spent on jobs after which a turn flushes and polls again.
    static let limit: UInt64 = 200_000

    var start: UInt64
    var jobs = 0
    var hasSpun = false
    /// Set when a watchdog has to be woken for the job that is about to run.
    var wakesWatchdog = false
    /// What is to be written. Its memory serves again.
    var flushables: [any Flushable] = []

    init(start: UInt64) {
        self.start = start
    }

    /// Another round begins.
    mutating func begin(at now: UInt64) {
        start = now
        jobs = 0
        hasSpun = false
    }
}

/// Everything that a loop must not lose when its thread is stuck in a job. Guarded by the loop's lock.
struct LoopState: ~Copyable {
    var jobs = Queue<Work>()
    var flushables: [any Flushable] = []
    var timers: TimerWheel<@Sendable () -> Void>
    /// What is watched, by token.
    var watches: [UInt64: Watch] = [:]
    /// What is to be closed once no poll can report it any more.
    var unwatched: [Watch] = []

    /// The serial number of the job that runs, or 0.
    var runningJob: UInt64 = 0
    var lastJob: UInt64 = 0
    /// The kernel's id of the thread that runs the loop.
    var thread: Int32 = 0
    /// When the sleeping loop will wake up by itself.
    var wakeTime = UInt64.max
    /// Counts whatever was done, so that a virtual clock sees that nothing was.
    var activity: UInt64 = 0
    /// Waits for the next timer once the loop has stopped.
    var timekeeper: Task<Void, Never>?
    /// How many times timers are being run elsewhere now, because the loop has stopped.
    var lateRuns = 0
    var isStopping = false
    var hasStopped = false

    init(now: UInt64) {
        timers = TimerWheel(now: now)
    }

    /// Chooses the next step: jobs until there are none or the turn is over, then what they have produced, then timers, then the poll.
    ///
    /// - Parameter hasUnfinishedReads: whether some descriptor has more to read than it was allowed in one turn.
    mutating func next(_ turn: inout LoopTurn, clock: LoopClock, hasUnfinishedReads: Bool) -> LoopStep {
        runningJob = 0
        // Reading the clock costs as much as a small job.
        let isTimeToLook = turn.jobs & 3 == 1
        let isOvertime = isTimeToLook && !jobs.isEmpty && clock.now &- turn.start >= LoopTurn.limit
        if !isOvertime, let work = jobs.popFirst() { return run(work, &turn) }
        if !flushables.isEmpty {
            activity += 1
            swap(&turn.flushables, &flushables)
            return .flush
        }
        if !unwatched.isEmpty {
            activity += 1
            let closing = unwatched
            unwatched = []
            for watch in closing { watches[watch.token] = nil }
            return .close(closing)
        }
        var timeout = PollTimeout.forever
        wakeTime = .max
        if let due = timers.nextAdvance {
            let now = clock.now
            if due <= now {
                for closure in timers.advance(to: now) { jobs.append(.closure(closure)) }
                if !isOvertime, let work = jobs.popFirst() { return run(work, &turn) }
            }
            if let next = timers.nextAdvance, case .monotonic = clock {
                wakeTime = next
                timeout = .until(next, now: now)
            }
        }
        if !jobs.isEmpty || hasUnfinishedReads { return .poll(.none) }
        if isStopping {
            hasStopped = true
            wakeTime = .max
            let rest = Array(watches.values)
            watches = [:]
            return .stop(rest)
        }
        return .poll(timeout)
    }

    private mutating func run(_ work: consuming Work, _ turn: inout LoopTurn) -> LoopStep {
        lastJob += 1
        activity += 1
        runningJob = lastJob
        turn.jobs += 1
        return .run(work)
    }
}
