import Testing

@testable import Telekinesis

@Suite struct BackoffTests {
    @Test func waitsGrowUntilAConnectionHasStood() {
        var generator = SystemRandomNumberGenerator()
        var backoff = Backoff(first: 100, longest: 1_000)
        // A hub that takes a node in and drops it at once is not asked ever more often.
        for step: UInt64 in [100, 200, 400, 800, 1_000, 1_000] {
            #expect((step / 2...step).contains(backoff.delay(using: &generator)))
            backoff.stood(for: 999)
        }
        backoff.stood(for: 1_000)
        #expect((50...100).contains(backoff.delay(using: &generator)))
    }
}
