import Glibc
import Synchronization
import Testing

@testable import Reactor

/// What happens around a job that does not end.
@Suite(.serialized) struct HandOverTests {
    @Test(arguments: [false, true])
    func aLongJobDelaysNobodyElse(blocks: Bool) async throws {
        let server = try await Loopback { EchoPeer() }
        defer { server.stop() }
        let clients = try EventLoopGroup(loops: 1)
        defer { clients.shutdown() }
        let (_, peer) = try await server.dial(on: clients.next())
        let loop = server.group.loops[0]
        let isOver = Mutex(false)
        loop.execute {
            if blocks { usleep(1_000_000) } else { compute(nanoseconds: 1_000_000_000) }
            #expect(EventLoop.current == nil, "the loop was lost meanwhile")
            #expect(!loop.flushAtEndOfTick(Sink {}))
            isOver.withLock { $0 = true }
        }
        // On a loop of its own: the default executor may be busy with other tests.
        let (slowest, rounds) = await withTaskExecutorPreference(clients.loops[0]) {
            let clock = ContinuousClock()
            var slowest = Duration.zero
            var rounds = 0
            while !isOver.withLock({ $0 }) {
                let start = clock.now
                await peer.write([1])
                #expect(await peer.read(1) == [1])
                await withCheckedContinuation { done in _ = loop.schedule(after: 1_000_000) { done.resume() } }
                slowest = max(slowest, clock.now - start)
                rounds += 1
            }
            return (slowest, rounds)
        }
        print("slowest echo and timer beside a job that \(blocks ? "blocks" : "computes"): \(slowest), \(rounds) rounds")
        #expect(slowest < .milliseconds(200))
        #expect(rounds > 10)
    }

    @Test func callsStayInOrderOverHandOvers() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        let recorder = SlowRecorder()
        let calls = 20_000
        let losses = Losses()
        // A task made in order for each call; now and then one that keeps the thread for so long that it loses the loop.
        await withCheckedContinuation { done in
            loop.execute {
                for number in 0..<calls {
                    Task(executorPreference: loop) {
                        await recorder.record(number)
                        if number % 4_000 == 3_999 {
                            compute(nanoseconds: 40_000_000)
                            if EventLoop.current == nil { losses.count.add(1, ordering: .relaxed) }
                            losses.chances.add(1, ordering: .relaxed)
                        }
                    }
                }
                done.resume()
            }
        }
        while await recorder.count < calls || losses.chances.load(ordering: .relaxed) < 5 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(await recorder.outOfOrder == 0)
        #expect(losses.count.load(ordering: .relaxed) > 0, "no hand-over, nothing tested")
    }

    @Test func manyLongJobsAtOnceLeaveTheLoopUsable() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<5 {
                tasks.addTask {
                    await withCheckedContinuation { done in
                        loop.execute {
                            usleep(300_000)
                            done.resume()
                        }
                    }
                }
            }
            tasks.addTask {
                await withCheckedContinuation { done in _ = loop.schedule(after: 200_000_000) { done.resume() } }
            }
        }
        await withCheckedContinuation { done in loop.execute { done.resume() } }
    }

    @Test func theWatchdogWakesUpAfterALongSilence() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        // Longer than it takes the watchdog to go to sleep.
        await withCheckedContinuation { done in _ = loop.schedule(after: 300_000_000) { done.resume() } }
        let isOver = Mutex(false)
        loop.execute {
            compute(nanoseconds: 500_000_000)
            isOver.withLock { $0 = true }
        }
        await withCheckedContinuation { done in loop.execute { done.resume() } }
        #expect(!isOver.withLock { $0 })
    }
}

private actor SlowRecorder {
    private(set) var count = 0
    private(set) var outOfOrder = 0

    func record(_ number: Int) {
        if number != count { outOfOrder += 1 }
        count += 1
    }
}

private final class Losses: Sendable {
    let count = Atomic(0)
    let chances = Atomic(0)
}
