import Synchronization
import Testing

@testable import Reactor

@Suite struct EventLoopTests {
    @Test func closuresRunOnTheLoopInOrder() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        let seen = Mutex<[Int]>([])
        await withCheckedContinuation { done in
            for number in 0..<1_000 {
                loop.execute {
                    #expect(EventLoop.current === loop)
                    seen.withLock { $0.append(number) }
                    if number == 999 { done.resume() }
                }
            }
        }
        #expect(seen.withLock { $0 } == Array(0..<1_000))
        #expect(EventLoop.current == nil)
    }

    @Test func tasksAndActorsThatPreferALoopRunOnIt() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        let tally = Tally()
        await Task(executorPreference: loop) {
            #expect(EventLoop.current === loop)
            for _ in 0..<100 { await tally.add(on: loop) }
            await withTaskGroup(of: Void.self) { children in
                children.addTask { await tally.add(on: loop) }
            }
        }.value
        #expect(await tally.count == 101)
    }

    @Test func callsFromTwoLoopsToOneActorStayInOrder() async throws {
        let group = try EventLoopGroup(loops: 2)
        defer { group.shutdown() }
        let recorder = Recorder()
        let perLoop = 100_000
        await withTaskGroup(of: Void.self) { feeders in
            for (source, loop) in group.loops.enumerated() {
                feeders.addTask(executorPreference: loop) {
                    await withCheckedContinuation { done in
                        // As a link does it: tasks made in frame order on one loop, awaited by nobody.
                        @Sendable func feed(from start: Int) {
                            for number in start..<min(start + 100, perLoop) {
                                Task(executorPreference: loop) { await recorder.record(number, from: source) }
                            }
                            if start + 100 < perLoop { loop.execute { feed(from: start + 100) } } else { done.resume() }
                        }
                        loop.execute { feed(from: 0) }
                    }
                }
            }
        }
        while await recorder.total < 2 * perLoop { try await Task.sleep(for: .milliseconds(1)) }
        #expect(await recorder.outOfOrder == 0)
    }

    @Test func jobsQueuedAfterTheEndRunAllTheSame() async throws {
        let group = try EventLoopGroup(loops: 1)
        let loop = group.loops[0]
        group.shutdown()
        let answer = await Task(executorPreference: loop) { 42 }.value
        #expect(answer == 42)
    }

    @Test func flushHappensOnceAfterTheJobsThatAskedForIt() async throws {
        // On a clock that stands still no turn is too long.
        let group = try EventLoopGroup(loops: 1, clock: .virtual(VirtualClock()))
        defer { group.shutdown() }
        let loop = group.loops[0]
        let log = Mutex<[String]>([])
        await withCheckedContinuation { done in
            let sink = Sink {
                log.withLock { $0.append("flush") }
                done.resume()
            }
            // One job queues the others, so that all of them belong to one turn.
            loop.execute {
                loop.execute { log.withLock { $0.append("first") } }
                loop.execute { #expect(loop.flushAtEndOfTick(sink)) }
                loop.execute { log.withLock { $0.append("second") } }
            }
        }
        #expect(log.withLock { $0 } == ["first", "second", "flush"])
        #expect(!loop.flushAtEndOfTick(Sink {}), "this thread does not run the loop")
    }

    @Test func longTurnFlushesBetweenItsJobs() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        let log = Mutex<[String]>([])
        await withCheckedContinuation { done in
            let sink = Sink { log.withLock { $0.append("flush") } }
            loop.execute {
                #expect(loop.flushAtEndOfTick(sink))
                loop.execute { compute(nanoseconds: 1_000_000) }
                // The loop does not look at the clock between any two jobs.
                for _ in 0..<4 { loop.execute {} }
                loop.execute {
                    log.withLock { $0.append("last") }
                    done.resume()
                }
            }
        }
        #expect(log.withLock { $0 } == ["flush", "last"])
    }

    @Test func timersOfTheRealClockFireAndCancelledOnesDoNot() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        let start = loop.now
        let cancelled = loop.schedule(after: 1_000_000) { Issue.record("was cancelled") }
        cancelled.cancel()
        cancelled.cancel()
        await withCheckedContinuation { done in
            _ = loop.schedule(after: 5_000_000) { done.resume() }
        }
        #expect(loop.now - start >= 5_000_000)
    }
}

/// Keeps a processor busy.
func compute(nanoseconds: UInt64) {
    let end = MonotonicClock.now + nanoseconds
    while MonotonicClock.now < end {}
}

private actor Tally {
    var count = 0

    func add(on loop: EventLoop) {
        #expect(EventLoop.current === loop)
        count += 1
    }
}

private actor Recorder {
    private var last: [Int: Int] = [:]
    private(set) var total = 0
    private(set) var outOfOrder = 0

    func record(_ number: Int, from source: Int) {
        if number != last[source, default: -1] + 1 { outOfOrder += 1 }
        last[source] = number
        total += 1
    }
}

final class Sink: Flushable {
    private let action: @Sendable () -> Void

    init(_ action: @escaping @Sendable () -> Void) {
        self.action = action
    }

    func flush() { action() }
}
