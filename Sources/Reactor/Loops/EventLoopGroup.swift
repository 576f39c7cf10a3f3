internal import CSystem
internal import Synchronization

/// Several event loops that share a clock, and the threads that run them.
public final class EventLoopGroup: Sendable {
    /// The loops; never empty, and the same for the life of the group.
    public let loops: [EventLoop]

    private let clock: LoopClock
    private let crew: Crew
    private let watchdog: Watchdog?
    private let turn = Atomic<Int>(0)
    private let hasShutDown = Atomic<Bool>(false)

    /// Starts the loops.
    ///
    /// - Parameters:
    ///   - loops: how many; by default one for each processor that the process may use.
    ///   - clock: where the time comes from. On a virtual clock no job loses its loop, however long it runs.
    ///   - polling: whether loops look for work for a short while before they sleep.
    ///   - warn: told when a job could not be relieved of its loop because too many are stuck already.
    /// - Throws: ``SystemError`` if the system refuses descriptors or threads.
    public init(
        loops count: Int? = nil, clock: LoopClock = .monotonic, polling: Polling = .off,
        warn: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(SystemError) {
        let count = max(1, count ?? Int(tk_usable_processors()))
        let watchdog: Watchdog? =
            switch clock {
            case .monotonic: Watchdog()
            case .virtual: nil
            }
        var loops: [EventLoop] = []
        for _ in 0..<count { loops.append(try EventLoop(clock: clock, polling: polling, watchdog: watchdog)) }
        self.loops = loops
        self.clock = clock
        self.watchdog = watchdog
        crew = Crew(loops: count, warn: warn)
        if case .virtual(let clock) = clock { clock.add(loops) }
        for loop in loops {
            guard crew.reserve() else {
                shutdown()
                throw SystemError(operation: "start an event loop's thread")
            }
            crew.seat((loop, 1))
        }
        if let watchdog, !startThread("watchdog", { [crew, loops] in watchdog.run(loops, crew: crew) }) {
            shutdown()
            throw SystemError(operation: "start the event loops' watchdog")
        }
    }

    deinit {
        shutdown()
    }

    /// A loop for the next connection: each in its turn.
    public func next() -> EventLoop {
        if loops.count == 1 { return loops[0] }
        let number = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        return loops[Int(number.magnitude % loops.count.magnitude)]
    }

    /// Asks the loops to end as soon as they have nothing left to do; their connections are closed. Returns at once. Jobs and timers that
    /// come later, or wait then, run on the default executor.
    public func shutdown() {
        guard !hasShutDown.exchange(true, ordering: .relaxed) else { return }
        for loop in loops { loop.stop() }
        watchdog?.stop()
        crew.dismiss()
    }
}
