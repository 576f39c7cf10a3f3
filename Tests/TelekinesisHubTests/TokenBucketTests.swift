import Testing

@testable import TelekinesisHub

@Suite struct TokenBucketTests {
    @Test func allowsABurstThenItsRate() {
        let rate = Rate(perSecond: 10, burst: 3)
        var bucket = TokenBucket(rate, now: 0)
        #expect((0..<4).map { _ in bucket.take(rate, now: 0) } == [true, true, true, false])
        #expect(!bucket.take(rate, now: 99_000_000))
        #expect(bucket.take(rate, now: 101_000_000))
        #expect(!bucket.take(rate, now: 101_000_000))
        // A long pause fills it, and no more than that.
        #expect((0..<4).map { _ in bucket.take(rate, now: 1_000_000_000_000) } == [true, true, true, false])
    }

    @Test func timeThatGoesBackGivesNothing() {
        let rate = Rate(perSecond: 10, burst: 1)
        var bucket = TokenBucket(rate, now: 1_000_000_000)
        #expect(bucket.take(rate, now: 1_000_000_000))
        #expect(!bucket.take(rate, now: 0))
        #expect(!bucket.take(rate, now: 1_000_000_000))
    }
}
