internal import Synchronization

/// How many values may be on their way at once: the others wait for their turn.
final class TransferSlots: Sendable {
    private struct State {
        var free: Int
        var waiting: [(number: UInt64, turn: CheckedContinuation<Void, any Error>)] = []
        var next: UInt64 = 0
        /// Waits that were cancelled before they began.
        var cancelled: Set<UInt64> = []
    }

    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: count)) }

    /// Runs an operation when it is its turn.
    ///
    /// - Throws: `CancellationError` when the task is cancelled while it waits, and what the operation throws.
    func run<Result: Sendable>(_ operation: @Sendable () async throws -> Result) async throws -> Result {
        try await acquire()
        defer { release() }
        return try await operation()
    }

    private func acquire() async throws {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { turn in
                let result = state.withLock { state -> Swift.Result<Void, any Error>? in
                    if state.cancelled.remove(number) != nil { return .failure(CancellationError()) }
                    if state.free > 0 {
                        state.free -= 1
                        return .success(())
                    }
                    state.waiting.append((number, turn))
                    return nil
                }
                if let result { turn.resume(with: result) }
            }
        } onCancel: {
            let turn = state.withLock { state -> CheckedContinuation<Void, any Error>? in
                guard let index = state.waiting.firstIndex(where: { $0.number == number }) else {
                    state.cancelled.insert(number)
                    return nil
                }
                return state.waiting.remove(at: index).turn
            }
            turn?.resume(throwing: CancellationError())
        }
        // One that was cancelled after its turn had come.
        _ = state.withLock { $0.cancelled.remove(number) }
    }

    private func release() {
        let next = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst().turn
        }
        next?.resume()
    }
}
