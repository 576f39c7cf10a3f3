import Synchronization
import Testing

@testable import Reactor

@Suite struct VirtualClockTests {
    @Test func timersFireInOrderAtTheirOwnTimes() async throws {
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 2, clock: .virtual(clock))
        defer { group.shutdown() }
        let start = clock.now
        let fired = Mutex<[UInt64]>([])
        var timers: [Reactor.Timer] = []
        // What has not rung holds the clock, and the clock the loop.
        defer { for timer in timers { timer.cancel() } }
        for (index, delay) in [30_000, 10, 500, 20, 4_000_000].enumerated() {
            timers.append(
                group.loops[index % 2].schedule(after: Int64(delay) * 1_000_000) {
                    fired.withLock { $0.append((clock.now - start) / 1_000_000) }
                })
        }
        await clock.advance(by: 9_000_000)
        #expect(fired.withLock { $0 } == [])
        await clock.advance(by: 30_000_000_000)
        #expect(fired.withLock { $0 } == [10, 20, 500, 30_000])
        #expect(clock.now - start == 30_009_000_000)
    }

    @Test func advanceRunsTheJobsThatTimersCause() async throws {
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 2, clock: .virtual(clock))
        defer { group.shutdown() }
        let heart = Heart(group)
        heart.beat()
        await clock.advance(by: 5_500_000_000)
        #expect(heart.beats.withLock { $0 } == 5)
        await clock.advance(by: 60_000_000_000)
        #expect(heart.beats.withLock { $0 } == 10)
    }

    @Test func cancelledTimerDoesNotFire() async throws {
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 1, clock: .virtual(clock))
        defer { group.shutdown() }
        let fired = Mutex<[String]>([])
        let doomed = group.loops[0].schedule(after: 2_000_000) { fired.withLock { $0.append("doomed") } }
        _ = group.loops[0].schedule(after: 1_000_000) { doomed.cancel() }
        _ = group.loops[0].schedule(after: 0) { fired.withLock { $0.append("at once") } }
        await clock.advance(by: 0)
        #expect(fired.withLock { $0 } == ["at once"])
        await clock.advance(by: 10_000_000)
        #expect(fired.withLock { $0 } == ["at once"])
    }
}

/// Beats ten times, a second apart, each time by way of the other loop and a task.
private final class Heart: Sendable {
    let beats = Mutex(0)
    private let group: EventLoopGroup

    init(_ group: EventLoopGroup) {
        self.group = group
    }

    func beat() {
        let count = beats.withLock { $0 }
        if count == 10 { return }
        let (near, far) = (group.loops[count % 2], group.loops[1 - count % 2])
        _ = near.schedule(after: 1_000_000_000) {
            // The clock must not run ahead of work under way.
            far.execute {
                Task(executorPreference: near) {
                    self.beats.withLock { $0 += 1 }
                    self.beat()
                }
            }
        }
    }
}
