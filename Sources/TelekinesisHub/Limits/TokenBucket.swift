/// How often something may happen: in the long run, and at once.
public struct Rate: Sendable {
    /// In the long run.
    public var perSecond: Double
    /// At once, after a pause.
    public var burst: Double

    /// A rate.
    public init(perSecond: Double, burst: Double) {
        self.perSecond = perSecond
        self.burst = burst
    }
}

/// Counts down with each event and fills up with time. Times in nanoseconds of any clock that only rises.
struct TokenBucket: Sendable {
    private var tokens: Double
    private var filledAt: UInt64

    /// A full bucket.
    init(_ rate: Rate, now: UInt64) {
        tokens = rate.burst
        filledAt = now
    }

    /// Takes a token, if one is left.
    mutating func take(_ rate: Rate, now: UInt64) -> Bool {
        guard has(1, rate, now: now) else { return false }
        tokens -= 1
        return true
    }

    /// Whether so many tokens are left.
    mutating func has(_ count: Int, _ rate: Rate, now: UInt64) -> Bool {
        let elapsed = now > filledAt ? Double(now - filledAt) / 1e9 : 0
        filledAt = max(now, filledAt)
        tokens = min(rate.burst, tokens + elapsed * rate.perSecond)
        return tokens >= Double(count)
    }

    /// Takes a token for what has happened already, be there one or not: who owes some waits all the longer, up to twice as long as it takes to fill
    /// the bucket.
    mutating func charge(_ rate: Rate, now: UInt64) {
        _ = has(1, rate, now: now)
        tokens = max(tokens - 1, -rate.burst)
    }
}
