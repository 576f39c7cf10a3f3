/// A few threads for work that blocks, such as name look-ups, files or password hashing: such work must never be done on an event loop.
public final class BlockingPool: Sendable {
    /// The process's own pool, of four threads.
    public static let shared = BlockingPool(threads: 4)

    private static let idleTime: UInt64 = 10_000_000_000

    private struct State {
        var work: [@Sendable () -> Void] = []
        var threads = 0
        var idle = 0
    }

    private let state = Condition(State())
    private let limit: Int

    /// A pool whose threads are started as they are needed, and end when they are not.
    public init(threads: Int) {
        limit = max(1, threads)
    }

    /// Runs work on a thread of the pool, after what was given to it before.
    public func run<Success: Sendable, Failure: Error>(
        _ work: @escaping @Sendable () throws(Failure) -> Success
    ) async throws(Failure) -> Success {
        let result: Result<Success, Failure> = await withCheckedContinuation { continuation in
            submit {
                do throws(Failure) {
                    continuation.resume(returning: .success(try work()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    /// Runs work on a thread of the pool, after what was given to it before.
    package func submit(_ work: @escaping @Sendable () -> Void) {
        let startsThread = state.withLock { state in
            state.work.append(work)
            guard state.idle < state.work.count, state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        state.signal()
        if startsThread, !startThread("blocking", { [self] in serve() }) {
            let threads = state.withLock { state in
                state.threads -= 1
                return state.threads
            }
            // Rather late on this thread than never.
            if threads == 0 { while let work = takeNow() { work() } }
        }
    }

    private func takeNow() -> (@Sendable () -> Void)? {
        state.withLock { $0.work.isEmpty ? nil : $0.work.removeFirst() }
    }

    private func serve() {
        while true {
            state.withLock { $0.idle += 1 }
            let work = state.wait(atMost: Self.idleTime) { state -> (@Sendable () -> Void)? in
                guard !state.work.isEmpty else { return nil }
                // Together with taking the work: who brings more meanwhile must not count on this thread.
                state.idle -= 1
                return state.work.removeFirst()
            }
            if let work {
                work()
                continue
            }
            let ends = state.withLock { state in
                state.idle -= 1
                // Work that came after the wait ended is not left behind.
                guard state.work.isEmpty else { return false }
                state.threads -= 1
                return true
            }
            if ends { return }
        }
    }
}
