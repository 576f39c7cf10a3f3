import Glibc
import Synchronization
import Testing

@testable import Reactor

@Suite struct SignalTests {
    @Test func signalsArriveOnTheLoopUntilCancelled() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        signal(SIGHUP, SIG_IGN)
        let (signals, feed) = AsyncStream.makeStream(of: Signal.self)
        let source = try SignalSource([.hangUp], on: loop) { signal in
            #expect(EventLoop.current === loop)
            feed.yield(signal)
        }
        var received = signals.makeAsyncIterator()
        for _ in 0..<3 {
            kill(getpid(), SIGHUP)
            #expect(await received.next() == .hangUp)
        }
        source.cancel()
        source.cancel()
        kill(getpid(), SIGHUP)  // ignored again: the process lives on
    }
}
