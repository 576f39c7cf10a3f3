/// What a descriptor is watched for.
struct Interest: OptionSet, Sendable {
    let rawValue: UInt8

    static let readable = Interest(rawValue: 1)
    static let writable = Interest(rawValue: 2)
    /// Reported when it changes, not for as long as it lasts.
    static let onChange = Interest(rawValue: 4)
}

/// What a descriptor has been found to be.
struct Readiness: OptionSet, Sendable {
    let rawValue: UInt8

    static let readable = Readiness(rawValue: 1)
    static let writable = Readiness(rawValue: 2)
    /// The peer has ended its side or the connection has failed: read until the end shows itself.
    static let ended = Readiness(rawValue: 4)
}

/// How long to wait for readiness.
enum PollTimeout: Equatable, Sendable {
    case none
    /// Until a moment of the monotonic clock, in nanoseconds; up to a millisecond may be added. `now` is the time at which that was decided.
    case until(UInt64, now: UInt64)
    case forever
}

/// The five things an event loop asks of the operating system. Another system's facility (kqueue) is another conformance.
protocol Poller: Sendable {
    /// Begins to watch `descriptor`; `token` comes back with its readiness. Callable from any thread.
    func add(_ descriptor: Int32, for interest: Interest, token: UInt64) throws(SystemError)
    /// Changes what `descriptor` is watched for. Callable from any thread.
    func change(_ descriptor: Int32, to interest: Interest, token: UInt64)
    /// Ends the watch; a `wait` that begins after this returned does not report the descriptor. Callable from any thread.
    func remove(_ descriptor: Int32)
    /// Waits and hands each ready descriptor to `report`; says how many there were. Only by the loop that owns the poller.
    func wait(_ timeout: PollTimeout, _ report: (_ token: UInt64, _ readiness: Readiness) -> Void) -> Int
    /// Makes the current or the next `wait` return at once. Callable from any thread.
    func wake()
}
