internal import CSystem

/// Tells whether a thread has gone on since a moment: far enough to have ended whatever short it was about to do.
///
/// A thread that has lost its loop may stand between taking something from a queue and handing it on; if it is not running just then, what comes next
/// on the loop would overtake it.
public struct ThreadStep: Sendable {
    private let thread: Int32
    private let start: UInt64
    private let end: UInt64

    /// Processor time in which a thread has come to the end of anything short.
    private static let step: UInt64 = 20_000
    /// How long a thread is waited for at most that gets no processor.
    private static let limit: UInt64 = 20_000_000

    /// The number of the calling thread.
    public static var currentThread: Int32 { tk_thread_id() }

    /// A step that begins now.
    public init(of thread: Int32) {
        self.thread = thread
        start = tk_thread_processor_time(thread)
        end = MonotonicClock.now + Self.limit
    }

    /// Whether it has taken it, waits for something, or is waited for no longer.
    public var isOver: Bool {
        tk_thread_processor_time(thread) &- start >= Self.step || MonotonicClock.now >= end || tk_thread_is_runnable(thread) == 0
    }
}
