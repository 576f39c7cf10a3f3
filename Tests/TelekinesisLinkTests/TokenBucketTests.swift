import TelekinesisLink
import Testing

@Suite struct TokenBucketTests {
    @Test func allowsABurstThenItsRate() {
        let rate = Rate(perSecond: 10, burst: 3)
        var bucket = TokenBucket(rate, now: 0)
        let times: [UInt64] = [0, 0, 0, 0, 99_000_000, 101_000_000, 101_000_000]
        let taken = times.map { bucket.take(rate, now: $0) }
        #expect(taken == [true, true, true, false, false, true, false])
        // A long pause fills it, and no more than that.
        let later = (0..<4).map { _ in bucket.take(rate, now: 1_000_000_000_000) }
        #expect(later == [true, true, true, false])
    }

    @Test func whatHasHappenedAlreadyIsOwed() {
        let rate = Rate(perSecond: 10, burst: 3)
        var bucket = TokenBucket(rate, now: 0)
        bucket.charge(3, rate, now: 0)
        #expect(bucket.debt(rate) == 0)
        bucket.charge(2, rate, now: 0)
        #expect(bucket.debt(rate) == 200_000_000)
        #expect(!bucket.take(rate, now: 250_000_000) && bucket.take(rate, now: 300_000_000))
        // Not without end.
        bucket.charge(1_000, rate, now: 300_000_000)
        #expect(bucket.debt(rate) == 300_000_000)
    }

    @Test func timeThatGoesBackGivesNothing() {
        let rate = Rate(perSecond: 10, burst: 1)
        var bucket = TokenBucket(rate, now: 1_000_000_000)
        let taken = [1_000_000_000, 0, 1_000_000_000].map { bucket.take(rate, now: $0) }
        #expect(taken == [true, false, false])
    }
}
