import Synchronization
import Testing

@testable import Telekinesis

@Suite(.timeLimit(.minutes(1))) struct TransferSlotsTests {
    private final class Counts: Sendable {
        private let state = Mutex((now: 0, most: 0, all: 0))

        func begin() {
            state.withLock { state in
                state.now += 1
                state.most = max(state.most, state.now)
                state.all += 1
            }
        }

        func end() { state.withLock { $0.now -= 1 } }

        var figures: [Int] { state.withLock { [$0.now, $0.most, $0.all] } }
    }

    @Test func noMoreRunAtOnceAndAllHaveTheirTurn() async throws {
        let slots = TransferSlots(3)
        let counts = Counts()
        try await withThrowingTaskGroup { group in
            for _ in 0..<200 {
                group.addTask {
                    try await slots.run {
                        counts.begin()
                        await Task.yield()
                        counts.end()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(counts.figures == [0, 3, 200])
    }

    @Test func whoIsCancelledWhileWaitingTakesNobodysTurn() async throws {
        let slots = TransferSlots(1)
        let (opened, open) = AsyncStream<Void>.makeStream()
        let first = Task.immediate { try await slots.run { for await _ in opened { break } } }
        let cancelled = (0..<50).map { _ in Task { try await slots.run {} } }
        for task in cancelled { task.cancel() }
        for task in cancelled { await #expect(throws: CancellationError.self) { try await task.value } }
        open.yield()
        try await first.value
        #expect(try await slots.run { 5 } == 5)
    }
}
