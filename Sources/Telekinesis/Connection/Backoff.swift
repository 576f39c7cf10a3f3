/// Decides how long to wait before the next attempt to connect: twice as long each time, with jitter so that a thousand nodes do not come at once.
struct Backoff: Sendable {
    /// The first wait and the longest, in nanoseconds.
    let first: UInt64
    let longest: UInt64
    private var next: UInt64

    init(first: UInt64 = 50_000_000, longest: UInt64 = 5_000_000_000) {
        self.first = first
        self.longest = longest
        next = first
    }

    /// The waits after somebody has refused this node: that is seldom over soon, and each attempt costs both ends a handshake.
    static var ofRefusals: Backoff { Backoff(first: 1_000_000_000, longest: 60_000_000_000) }

    /// The wait before the attempt to come: between half of the step and all of it.
    mutating func delay(using generator: inout some RandomNumberGenerator) -> UInt64 {
        defer { next = min(next * 2, longest) }
        return UInt64.random(in: next / 2...next, using: &generator)
    }

    /// A connection has ended that stood for so long. After a long one, start small again; a hub that drops whom it has just let in is to be
    /// left alone all the longer.
    mutating func stood(for time: UInt64) {
        if time >= longest { next = first }
    }
}
