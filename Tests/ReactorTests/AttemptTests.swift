import CSystem
import Glibc
import Synchronization
import Testing

@testable import Reactor

/// What becomes of the socket of a connect attempt that nobody wants any more.
@Suite struct AttemptTests {
    @Test(arguments: [false, true])
    func anAttemptGivenUpBeforeItIsWatchedKeepsItsSocketUntilItEnds(hasStopped: Bool) async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let loop = group.loops[0]
        if hasStopped {
            group.shutdown()
            #expect(try await comesTrue { loop.hasStopped })
        }
        let socket = tk_stream_socket(AF_INET)
        let before = try #require(identity(of: socket))
        let outcomes = Mutex<[Result<Int32, SystemError>]>([])
        let attempt = Attempt(socket, to: .v4(0x7f00_0001, port: 1), on: loop) { outcome in outcomes.withLock { $0.append(outcome) } }
        attempt.fail(ECANCELED)
        // The loop has come round.
        for _ in 0..<3 { await withCheckedContinuation { done in loop.execute { done.resume() } } }
        #expect(identity(of: socket) == before, "closed, and yet about to be watched: the number may mean something else by then")
        #expect(outcomes.withLock { $0.isEmpty })
        attempt.start(timeout: nil)
        #expect(try await comesTrue { outcomes.withLock { !$0.isEmpty } })
        #expect(identity(of: socket) != before)
        #expect(loop.state.withLock { $0.watches.isEmpty })
        attempt.fail(ETIMEDOUT)
        for _ in 0..<3 { await withCheckedContinuation { done in loop.execute { done.resume() } } }
        let numbers = outcomes.withLock { outcomes in
            outcomes.map { outcome -> Int32 in
                switch outcome {
                case .success: 0
                case .failure(let error): error.number
                }
            }
        }
        #expect(numbers == [ECANCELED])
    }

    /// What a descriptor stands for: the number alone may come to mean something else.
    private func identity(of descriptor: Int32) -> UInt64? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? UInt64(status.st_ino) : nil
    }
}
