internal import CSystem

/// Tells whether a thread has gone on since a moment: far enough to have ended whatever short it was about to do.
///
/// A thread that has lost its loop may stand between taking something from a queue and handing it on; if it is not running just then, what comes next
/// on the loop would overtake it.
public struct ThreadStep: Sendable {
    private let thread: Int32
    private let start: UInt64
    private let end: UInt64
    /// Since when it is seen to wait for something, without a moment of processor time; 0 when it is not.
    private var waitsSince: UInt64 = 0
    private var lastTime: UInt64

    /// Processor time in which a thread has come to the end of anything short, in builds that are slow as well.
    private static let step: UInt64 = 200_000
    /// Whoever waits for so long does not wait for a lock that others hold for a moment.
    private static let longWait: UInt64 = 2_000_000
    /// How long a thread is waited for at most that gets no processor: another would not fare better.
    private static let limit: UInt64 = 50_000_000

    /// The number of the calling thread.
    public static var currentThread: Int32 { tk_thread_id() }

    /// A step that begins now.
    public init(of thread: Int32) {
        self.thread = thread
        start = tk_thread_processor_time(thread)
        lastTime = start
        end = MonotonicClock.now + Self.limit
    }

    /// Looks whether it has taken it, waits for something, or is waited for no longer.
    public mutating func isOver() -> Bool {
        let (time, now) = (tk_thread_processor_time(thread), MonotonicClock.now)
        if time &- start >= Self.step || now >= end { return true }
        guard time == lastTime, tk_thread_is_runnable(thread) == 0 else {
            (lastTime, waitsSince) = (time, 0)
            return false
        }
        if waitsSince == 0 { waitsSince = now }
        return now - waitsSince >= Self.longWait
    }
}
