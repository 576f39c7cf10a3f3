internal import WebSocket

/// Bounds the rate of control frames: each costs an answer, and none carries anything.
struct ControlBudget {
    static let perSecond = 2000

    private var windowEnd: UInt64
    private var windowStartCount = 0
    private var lastCount = 0

    init(now: UInt64) { windowEnd = now + 1_000_000_000 }

    /// Notes that `count` control frames have come since the beginning.
    ///
    /// - Parameter now: nanoseconds of the loop's clock; asked for only if there were any.
    /// - Throws: a failure when there were too many within a second.
    mutating func spend(_ count: Int, now: @autoclosure () -> UInt64) throws(WebSocketFailure) {
        guard count != lastCount else { return }
        lastCount = count
        let time = now()
        if time >= windowEnd { (windowEnd, windowStartCount) = (time + 1_000_000_000, count) }
        guard count - windowStartCount <= Self.perSecond else {
            throw WebSocketFailure(code: 1008, reason: "There were more than \(Self.perSecond) control frames in a second.")
        }
    }
}
