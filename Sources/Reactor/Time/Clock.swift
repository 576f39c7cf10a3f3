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
        case .monotonic: monotonicNanoseconds()
        case .virtual(let clock): clock.now
        }
    }
}

func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(bitPattern: Int64(time.tv_sec &* 1_000_000_000 &+ time.tv_nsec))
}
