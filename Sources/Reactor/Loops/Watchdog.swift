internal import CSystem
internal import Glibc
internal import Synchronization

/// Looks after a group's loops: one whose job has run for about 10 ms is handed to a spare thread, as soon as its own has ended what it was about to do.
///
/// The watchdog's thread looks every 5 ms, twice as often while it suspects a job, and sleeps when no loop has run a job for 100 ms.
final class Watchdog: Sendable {
    private static let interval: UInt64 = 5_000_000
    private static let intervalOfSuspicion: UInt64 = 2_500_000
    /// Counted from the first look at a job, which comes up to one interval after its start.
    private static let patience: UInt64 = 7_500_000
    private static let quietLooksBeforeParking = 20
    /// Processor time a running job must have had before it counts as stuck; less means that the thread itself was kept from running, and
    /// another would not fare better.
    private static let processorTime: UInt64 = 2_000_000

    private struct Suspect {
        var loop: EventLoop.Sight
        var since: UInt64
        var processorTime: UInt64
    }

    private let isStopped = Condition(false)
    private let parked = Atomic<Bool>(false)

    /// Whether somebody must `unpark()` the watchdog before running a job.
    var isParked: Bool { parked.load(ordering: .relaxed) }

    func unpark() {
        guard parked.exchange(false, ordering: .relaxed) else { return }
        isStopped.withLock { _ in }
        isStopped.signal()
    }

    /// The loops have been asked to end: the watch ends with the last of them.
    func stop() {
        isStopped.withLock { $0 = true }
        isStopped.signal()
    }

    /// Watches until stopped, and until the loops have ended.
    func run(_ loops: [EventLoop], crew: Crew) {
        var suspects: [Suspect?] = loops.map { _ in nil }
        var quietLooks = 0
        var interval = Self.interval
        while rest(interval, loops) {
            interval = Self.interval
            var isQuiet = true
            for (index, loop) in loops.enumerated() {
                let sight = loop.sight
                if let suspect = suspects[index], suspect.loop.lastJob == sight.lastJob {
                    if sight.runningJob == 0 { continue }
                    isQuiet = false
                    interval = Self.intervalOfSuspicion
                    if isStuck(suspect), crew.reserve() {
                        let claim = loop.takeFrom(job: sight.runningJob)
                        if claim != nil {
                            var step = ThreadStep(of: sight.thread)
                            repeat { usleep(50) } while !step.isOver()
                        }
                        crew.seat(claim.map { (loop, $0) })
                        suspects[index] = nil
                    }
                } else {
                    isQuiet = false
                    suspects[index] = Suspect(
                        loop: sight, since: MonotonicClock.now, processorTime: tk_thread_processor_time(sight.thread))
                }
            }
            quietLooks = isQuiet ? quietLooks + 1 : 0
            if quietLooks >= Self.quietLooksBeforeParking {
                quietLooks = 0
                park(loops, suspects)
            }
        }
    }

    /// Waits until the next look is due. False when there is nothing left to look at.
    private func rest(_ interval: UInt64, _ loops: [EventLoop]) -> Bool {
        guard isStopped.wait(atMost: interval, { $0 ? true : nil }) != nil else { return true }
        // What is still queued on a loop may wait behind a stuck job, or the stuck job for what is queued.
        if loops.allSatisfy(\.hasStopped) { return false }
        _ = isStopped.wait(atMost: interval) { _ in Bool?.none }
        return true
    }

    private func isStuck(_ suspect: Suspect) -> Bool {
        guard MonotonicClock.now - suspect.since >= Self.patience else { return false }
        let used = tk_thread_processor_time(suspect.loop.thread) &- suspect.processorTime
        return used >= Self.processorTime || tk_thread_is_runnable(suspect.loop.thread) == 0
    }

    private func park(_ loops: [EventLoop], _ suspects: [Suspect?]) {
        parked.store(true, ordering: .relaxed)
        // A job begun before this look is seen by it; one begun later sees `parked`, by way of the loop's lock.
        for (loop, suspect) in zip(loops, suspects) where loop.sight.lastJob != suspect?.loop.lastJob {
            parked.store(false, ordering: .relaxed)
            return
        }
        _ = isStopped.wait { isStopped in isStopped || !isParked ? true : nil }
        parked.store(false, ordering: .relaxed)
    }
}
