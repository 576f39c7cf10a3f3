/// Decides when a silent peer is asked and when it is given up. Times in nanoseconds of any clock that only rises.
public struct Liveness: Sendable {
    /// What to do now.
    public enum Action: Sendable, Equatable {
        /// Nothing: look again at the given time.
        case wait(until: UInt64)
        /// Ask the peer, and look again at the given time.
        case ping(until: UInt64)
        /// The peer has been silent for too long.
        case dead
    }

    /// A peer that was silent for this long is asked.
    public let interval: UInt64
    /// A peer that was silent for this long is dead.
    public let limit: UInt64

    private var lastHeard: UInt64

    /// A peer just heard of.
    public init(interval: UInt64 = 15_000_000_000, limit: UInt64 = 30_000_000_000, now: UInt64) {
        self.interval = interval
        self.limit = limit
        lastHeard = now
    }

    /// Something came from the peer.
    @inline(__always)
    public mutating func heard(at now: UInt64) { lastHeard = now }

    /// The time to look has come.
    public func check(at now: UInt64) -> Action {
        // Another thread may have heard of it since `now` was read.
        let silence = now - min(now, lastHeard)
        if silence >= limit { return .dead }
        if silence < interval { return .wait(until: lastHeard + interval) }
        return .ping(until: min(now + interval, lastHeard + limit))
    }
}
