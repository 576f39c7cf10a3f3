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
public struct TokenBucket: Sendable {
    private var tokens: Double
    private var filledAt: UInt64

    /// A full bucket.
    public init(_ rate: Rate, now: UInt64) {
        tokens = rate.burst
        filledAt = now
    }

    /// Takes a token, if one is left.
    public mutating func take(_ rate: Rate, now: UInt64) -> Bool {
        guard has(1, rate, now: now) else { return false }
        tokens -= 1
        return true
    }

    /// Whether so many tokens are left.
    public mutating func has(_ count: Int, _ rate: Rate, now: UInt64) -> Bool {
        let elapsed = now > filledAt ? Double(now - filledAt) / 1e9 : 0
        filledAt = max(now, filledAt)
        tokens = min(rate.burst, tokens + elapsed * rate.perSecond)
        return tokens >= Double(count)
    }

    /// Takes tokens for what has happened already, be there any or not: who owes some waits all the longer, up to twice as long as it takes to fill the
    /// bucket.
    public mutating func charge(_ count: Int, _ rate: Rate, now: UInt64) {
        _ = has(count, rate, now: now)
        tokens = max(tokens - Double(count), -rate.burst)
    }

    /// Nanoseconds until no more tokens are owed, counted from the last time given; 0 when none are.
    public func debt(_ rate: Rate) -> UInt64 { tokens < 0 ? UInt64(min(-tokens / rate.perSecond * 1e9, 1e18)) : 0 }
}
