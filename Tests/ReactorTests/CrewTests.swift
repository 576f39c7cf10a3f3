import Glibc
import Testing

@testable import Reactor

/// Who serves a loop while its group is shutting down.
@Suite struct CrewTests {
    @Test func aPromisedThreadComesThoughTheCrewWasDismissedMeanwhile() async throws {
        let crew = Crew(loops: 1) { _ in }
        let loop = try EventLoop(clock: .monotonic, polling: .off, watchdog: nil)
        #expect(crew.reserve())
        crew.dismiss()
        // Time for the thread to begin, and to find that it is dismissed.
        usleep(50_000)
        crew.seat((loop, 1))
        let isServed = Condition(false)
        loop.execute { isServed.withLock { $0 = true } }
        #expect(try await comesTrue { isServed.withLock { $0 } })
        loop.stop()
    }

    @Test func whatWaitsBehindAStuckJobIsServedAfterTheShutdown() async throws {
        let group = try EventLoopGroup(loops: 1)
        let loop = group.loops[0]
        let next = Condition(false)
        let outcome = Condition(Bool?.none)
        // A job that waits for the one behind it.
        loop.execute {
            let isServed = next.wait(atMost: 5_000_000_000) { $0 ? true : nil } ?? false
            outcome.withLock { $0 = isServed }
        }
        loop.execute {
            next.withLock { $0 = true }
            next.signal()
        }
        group.shutdown()
        #expect(try await comesTrue { outcome.withLock { $0 } != nil })
        #expect(outcome.withLock { $0 } == true)
        #expect(try await comesTrue { loop.hasStopped })
    }
}
