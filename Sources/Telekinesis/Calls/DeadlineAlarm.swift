/// When late calls are looked for next: one timer, for the earliest deadline.
///
/// A timer is started outside of the session's lock and may ring before its starter has come back to say so. Hence the numbers: who comes too late
/// is told.
struct DeadlineAlarm<Timer> {
    private var time = UInt64.max
    private var number: UInt64 = 0
    private var timer: Timer?

    /// The alarm is to ring at that time.
    ///
    /// - Returns: the number of the timer to be started for it, and the timer that is in its place, to be cancelled; `nil` when one rings early enough.
    mutating func set(for time: UInt64) -> (number: UInt64, replaced: Timer?)? {
        guard time < self.time else { return nil }
        self.time = time
        number += 1
        return (number, timer.take())
    }

    /// The timer of that number was started.
    ///
    /// - Returns: `false` when it has rung or was replaced meanwhile, and is to be cancelled.
    mutating func started(_ timer: Timer, _ number: UInt64) -> Bool {
        guard number == self.number, time != .max else { return false }
        self.timer = timer
        return true
    }

    /// The timer of that number rings. Until the alarm is set anew, none will.
    mutating func rang(_ number: UInt64) {
        guard number == self.number else { return }
        time = .max
        timer = nil
    }

    /// It is not to ring any more.
    ///
    /// - Returns: the timer to be cancelled.
    mutating func stop() -> Timer? {
        time = .max
        return timer.take()
    }
}
