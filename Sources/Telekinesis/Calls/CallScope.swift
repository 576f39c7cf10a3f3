internal import CSystem
internal import Glibc
internal import Reactor

/// What a task's calls know of where they are made: until when they are wanted, what they carry, and the call that is being served.
struct CallScope: Sendable {
    @TaskLocal static var current = CallScope()

    /// How long a call without a deadline of its own may take.
    static let defaultDeadline: UInt64 = 30_000_000_000

    /// The time of ``now`` at which the answer is no longer wanted; `nil`: the default holds.
    var deadline: UInt64?
    /// Whether calls may take for ever.
    var isUnlimited = false
    /// What calls carry besides their arguments; `nil` when that is nothing.
    var baggage: Boxed<Baggage>?
    /// The call from elsewhere that the task serves.
    var incoming: IncomingCall?
    /// Takes the calls whose results are not awaited; `nil` when all are.
    var pipeline: Pipeline?

    /// Until when a call made now is wanted, and whether somebody chose that.
    ///
    /// - Parameter loopTime: the present on the clock of the loop, in which the answer is given: a loop's clock may be virtual.
    func deadline(at loopTime: UInt64) -> (time: UInt64, wasChosen: Bool) {
        if let deadline = presentDeadline {
            let now = Self.now
            return (loopTime + (deadline > now ? deadline - now : 0), true)
        }
        if isUnlimited { return (.max, true) }
        return (loopTime + Self.defaultDeadline, false)
    }

    /// The deadline as it holds now. For a call that has been answered nobody waits any more: a task that the method has left behind, and that has
    /// inherited the scope, is no longer bound by it.
    var presentDeadline: UInt64? {
        if let incoming, deadline == incoming.deadline, incoming.isAnswered { nil } else { deadline }
    }

    /// Makes this the current scope of the running task until ``leave()``. The two stand in one asynchronous function, around one `await`.
    func enter() {
        let key = Unmanaged.passUnretained(Self.$current).toOpaque()
        withUnsafeTemporaryAllocation(of: Self.self, capacity: 1) { memory in
            // The runtime moves it from there: it is not deinitialised here.
            memory.initializeElement(at: 0, to: self)
            if let address = memory.baseAddress { tk_task_local_push(key, address, unsafeBitCast(Self.self, to: UnsafeRawPointer.self)) }
        }
    }

    /// Makes the scope before the last ``enter()`` the current one again.
    static func leave() { tk_task_local_pop() }

    /// Nanoseconds of `CLOCK_MONOTONIC`.
    static var now: UInt64 { MonotonicClock.now }
}

/// How long calls may take.
public enum CallDeadline: Sendable {
    /// This long, from now.
    case after(Duration)
    /// As long as they need.
    case never

    /// This many seconds from now.
    public static func seconds(_ seconds: Double) -> CallDeadline { .after(.seconds(seconds)) }
    /// This many milliseconds from now.
    public static func milliseconds(_ milliseconds: Int) -> CallDeadline { .after(.milliseconds(milliseconds)) }
}

/// Runs an operation whose remote calls, and the calls that they make in turn, must be answered in time.
///
/// A deadline inside another one can only be shorter. A call that is late throws ``TelekinesisError`` with code `deadlineExceeded`, and is cancelled
/// at its provider. Without this, each call may take 30 seconds. A method's own calls are bound by its caller's deadline as well, for as long as that waits: what a
/// method leaves running in a `Task` is on its own when the method has returned.
///
/// - Parameters:
///   - deadline: how long all of the operation's calls may take together.
///   - operation: makes the calls; runs where the caller runs.
public nonisolated(nonsending) func withDeadline<Result>(
    _ deadline: CallDeadline, _ operation: nonisolated(nonsending) () async throws -> Result
) async rethrows -> Result {
    var scope = CallScope.current
    switch deadline {
    case .never:
        scope.isUnlimited = true
    case .after(let duration):
        let time = CallScope.now + UInt64(max(0, duration.nanoseconds))
        scope.deadline = min(scope.presentDeadline ?? .max, time)
    }
    return try await CallScope.$current.withValue(scope, operation: operation)
}
