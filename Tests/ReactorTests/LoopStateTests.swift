import Synchronization
import Testing

@testable import Reactor

@Suite struct LoopStateTests {
    @Test func jobsComeFirstThenTheirOutputThenTheDescriptorsThenThePoll() {
        let clock = LoopClock.virtual(VirtualClock())
        var state = LoopState(now: clock.now)
        var turn = LoopTurn(start: clock.now)
        let source = Idle()
        let watch = Watch(0, source)
        state.unwatched.append(watch)
        state.flushables.append(Sink {})
        state.jobs.append(.closure {})
        var steps: [String] = []
        for _ in 0..<4 { steps.append(state.next(&turn, clock: clock, hasUnfinishedReads: false).name) }
        #expect(steps == ["run", "flush", "close", "poll forever"])
    }

    @Test func unfinishedReadsKeepTheLoopFromSleeping() {
        let clock = LoopClock.virtual(VirtualClock())
        var state = LoopState(now: clock.now)
        var turn = LoopTurn(start: clock.now)
        var step = state.next(&turn, clock: clock, hasUnfinishedReads: true)
        #expect(step.name == "poll none")
        step = state.next(&turn, clock: clock, hasUnfinishedReads: false)
        #expect(step.name == "poll forever")
    }

    @Test func everyTurnRunsAJobHoweverLateItIs() {
        // A turn that began long ago on the real clock: over its time from the start.
        var state = LoopState(now: MonotonicClock.now)
        for _ in 0..<2 { state.jobs.append(.closure {}) }
        var turn = LoopTurn(start: MonotonicClock.now - 2 * LoopTurn.limit)
        var step = state.next(&turn, clock: .monotonic, hasUnfinishedReads: false)
        #expect(step.name == "run")
        var running = state.runningJob
        #expect(running == 1)
        step = state.next(&turn, clock: .monotonic, hasUnfinishedReads: false)
        #expect(step.name == "poll none")
        running = state.runningJob
        #expect(running == 0)
    }

    @Test func dueTimersBecomeJobs() async {
        let time = VirtualClock()
        let clock = LoopClock.virtual(time)
        var state = LoopState(now: clock.now)
        var turn = LoopTurn(start: clock.now)
        _ = state.timers.insert(at: clock.now + 5_000_000) {}
        var step = state.next(&turn, clock: clock, hasUnfinishedReads: false)
        #expect(step.name == "poll forever")
        await time.advance(by: 5_000_000)
        step = state.next(&turn, clock: clock, hasUnfinishedReads: false)
        #expect(step.name == "run")
    }

    @Test func stoppingWaitsForTheLastJob() {
        let clock = LoopClock.virtual(VirtualClock())
        var state = LoopState(now: clock.now)
        var turn = LoopTurn(start: clock.now)
        state.isStopping = true
        state.jobs.append(.closure {})
        var step = state.next(&turn, clock: clock, hasUnfinishedReads: false)
        #expect(step.name == "run")
        var hasStopped = state.hasStopped
        #expect(!hasStopped)
        step = state.next(&turn, clock: clock, hasUnfinishedReads: false)
        #expect(step.name == "stop")
        hasStopped = state.hasStopped
        #expect(hasStopped)
    }

    @Test func theQueueKeepsItsOrderWhileItGrowsAndWraps() {
        var queue = Queue<Int>(minimumCapacity: 2)
        var (next, expected) = (0, 0)
        for round in 1...50 {
            for _ in 0..<round {
                queue.append(next)
                next += 1
            }
            for _ in 0..<round - 1 {
                let first = queue.popFirst()
                #expect(first == expected)
                expected += 1
            }
        }
        let count = queue.count
        #expect(count == next - expected)
    }

    @Test func pollingIsGivenUpWhereItIsOfNoUse() {
        var spinner = Spinner(.upTo(nanoseconds: 20_000), processors: 2)
        for _ in 0..<16 {
            let spins = spinner.spinsNow()
            #expect(spins)
            spinner.missed()
        }
        let attempts = (0..<320).count { _ in spinner.spinsNow() }
        #expect(attempts == 10)
        spinner.found()
        let spinsAgain = spinner.spinsNow()
        #expect(spinsAgain)
    }

    @Test func aSingleProcessorIsPolledOnOnlyAfterSuccess() {
        let preemptions = Atomic<Int>(0)
        var spinner = Spinner(.upTo(nanoseconds: 20_000), processors: 1) { preemptions.load(ordering: .relaxed) }
        let attempts = (0..<16_384).count { _ in spinner.spinsNow() }
        #expect(attempts == 4)
        spinner.found()
        for _ in 0..<4 {
            let spins = spinner.spinsNow()
            #expect(spins)
            spinner.missed()
        }
        let spinsOn = spinner.spinsNow()
        #expect(!spinsOn)
    }

    @Test func whatSomebodyBringsWhoTookTheProcessorAwayIsNoSuccess() {
        let preemptions = Atomic<Int>(0)
        var spinner = Spinner(.upTo(nanoseconds: 20_000), processors: 1) { preemptions.load(ordering: .relaxed) }
        spinner.found()
        for _ in 0..<4 {
            let spins = spinner.spinsNow()
            #expect(spins)
            preemptions.add(1, ordering: .relaxed)
            spinner.found()
        }
        let spinsOn = spinner.spinsNow()
        #expect(!spinsOn)
    }
}

private final class Idle: PollSource {
    func ready(_ readiness: Readiness, on loop: EventLoop) -> Bool { false }
    func unwatched() {}
}

extension LoopStep {
    fileprivate var name: String {
        switch self {
        case .run: "run"
        case .flush: "flush"
        case .close: "close"
        case .spin: "spin"
        case .poll(.none): "poll none"
        case .poll(.forever): "poll forever"
        case .poll(.until(let moment, let now)): "poll \((moment - now + 999_999) / 1_000_000)"
        case .lost: "lost"
        case .stop: "stop"
        }
    }
}
