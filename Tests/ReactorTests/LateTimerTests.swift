import Synchronization
import Testing

@testable import Reactor

/// Timers of a loop that has ended: whoever waits for one must not wait for ever.
@Suite struct LateTimerTests {
    @Test func timersThatWaitWhenTheLoopEndsFireAtTheirTime() async throws {
        let group = try EventLoopGroup(loops: 1)
        let loop = group.loops[0]
        let start = loop.now
        let fired = Mutex<[UInt64]>([])
        for delay in [40, 20] as [Int64] {
            _ = loop.schedule(after: delay * 1_000_000) { fired.withLock { $0.append(loop.now - start) } }
        }
        group.shutdown()
        #expect(try await comesTrue { fired.withLock { $0.count } == 2 })
        let times = fired.withLock { $0 }
        #expect(times.first.map { $0 >= 20_000_000 } == true)
        #expect(times.last.map { $0 >= 40_000_000 } == true)
    }

    @Test func timersThatComeAfterTheEndFireAsWell() async throws {
        let group = try EventLoopGroup(loops: 1)
        let loop = group.loops[0]
        group.shutdown()
        #expect(try await comesTrue { loop.hasStopped })
        let fired = Mutex<[String]>([])
        // The one that is due first comes last.
        let hour = loop.schedule(after: 3_600_000_000_000) { fired.withLock { $0.append("hour") } }
        _ = loop.schedule(after: 30_000_000) { fired.withLock { $0.append("second") } }
        let doomed = loop.schedule(after: 2_000_000) { fired.withLock { $0.append("doomed") } }
        doomed.cancel()
        _ = loop.schedule(after: 0) { fired.withLock { $0.append("first") } }
        #expect(try await comesTrue { fired.withLock { $0.count } == 2 })
        #expect(fired.withLock { $0 } == ["first", "second"])
        hour.cancel()
    }

    @Test func aLoopIsLetGoWithItsLastTimer() async throws {
        weak var ended: EventLoop?
        do {
            let group = try EventLoopGroup(loops: 1)
            ended = group.loops[0]
            let timers = (0..<3).map { _ in group.loops[0].schedule(after: 3_600_000_000_000) {} }
            group.shutdown()
            #expect(try await comesTrue { group.loops[0].hasStopped })
            for timer in timers { timer.cancel() }
        }
        #expect(try await comesTrue { ended == nil })
    }

    @Test func aVirtualClockStopsForThemToo() async throws {
        let clock = VirtualClock()
        let (ending, staying) = (
            try EventLoopGroup(loops: 1, clock: .virtual(clock)), try EventLoopGroup(loops: 1, clock: .virtual(clock))
        )
        defer { staying.shutdown() }
        let (ended, other) = (ending.loops[0], staying.loops[0])
        let start = clock.now
        let fired = Mutex<[UInt64]>([])
        @Sendable func note() { fired.withLock { $0.append((clock.now - start) / 1_000_000) } }
        _ = ended.schedule(after: 300_000_000) {
            note()
            // What a timer causes is seen by the clock.
            _ = other.schedule(after: 50_000_000) { note() }
            _ = ended.schedule(after: 20_000_000) { note() }
        }
        _ = other.schedule(after: 100_000_000) { note() }
        ending.shutdown()
        #expect(try await comesTrue { ended.hasStopped })
        _ = ended.schedule(after: 200_000_000) { note() }
        _ = ended.schedule(after: 0) { note() }
        await clock.advance(by: 250_000_000)
        #expect(fired.withLock { $0 } == [0, 100, 200])
        await clock.advance(by: 1_000_000_000)
        #expect(fired.withLock { $0 } == [0, 100, 200, 300, 320, 350])
    }
}
