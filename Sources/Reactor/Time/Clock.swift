internal import Glibc

/// Where a group of loops gets the time from.
public enum LoopClock: Sendable {
    /// `CLOCK_MONOTONIC`.
    case monotonic
    /// A clock that stands still until a test moves it.
    case virtual(VirtualClock)

    /// Nanoseconds since some fixed moment; never goes back.
    var now: UInt64 {
        switch self {
        case .monotonic: MonotonicClock.now
        case .virtual(let clock): clock.now
        }
    }

    /// The same, a few milliseconds late.
    var coarse: UInt64 {
        switch self {
        case .monotonic: MonotonicClock.coarse
        case .virtual(let clock): clock.now
        }
    }
}

/// The machine's clock that never goes back (clock_gettime(2)).
public enum MonotonicClock {
    /// Nanoseconds since some fixed moment.
    public static var now: UInt64 { read(CLOCK_MONOTONIC) }

    /// Nanoseconds as of the kernel's last tick, a few milliseconds ago: a quarter of the cost of ``now``.
    public static var coarse: UInt64 { read(CLOCK_MONOTONIC_COARSE) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(bitPattern: Int64(time.tv_sec &* 1_000_000_000 &+ time.tv_nsec))
    }
}
