import Testing

@testable import Telekinesis

@Suite struct DeadlineAlarmTests {
    /// What is done with an alarm whose timers are named, step by step.
    private final class Steps {
        private var alarm = DeadlineAlarm<String>()
        private var numbers: [String: UInt64] = [:]

        /// Sets the alarm; nil when no timer is needed, else what the named one replaces.
        func set(_ timer: String, for time: UInt64) -> String?? {
            guard let (number, replaced) = alarm.set(for: time) else { return .none }
            numbers[timer] = number
            return .some(replaced)
        }

        func started(_ timer: String) -> Bool { alarm.started(timer, numbers[timer] ?? 0) }
        func rang(_ timer: String) { alarm.rang(numbers[timer] ?? 0) }
        func stop() -> String? { alarm.stop() }
    }

    private let steps = Steps()

    @Test func onlyAnEarlierTimeNeedsAnotherTimer() {
        #expect(steps.set("first", for: 20) == .some(nil))
        #expect(steps.started("first"))
        #expect(steps.set("none", for: 20) == .none)
        #expect(steps.set("none", for: 30) == .none)
        #expect(steps.set("second", for: 10) == "first")
        #expect(steps.started("second"))
        // It could not be cancelled in time.
        steps.rang("first")
        #expect(steps.set("none", for: 10) == .none)
        steps.rang("second")
        #expect(steps.set("third", for: 40) == .some(nil))
    }

    @Test func aTimerThatRingsBeforeItsStarterComesBackIsNotWaitedForAgain() {
        #expect(steps.set("first", for: 10) == .some(nil))
        steps.rang("first")
        #expect(!steps.started("first"))
        #expect(steps.set("second", for: 20) == .some(nil))
        #expect(!steps.started("first"))
        #expect(steps.started("second"))
        #expect(steps.stop() == "second")
        #expect(steps.stop() == nil)
    }

    @Test func aTimerThatWasReplacedBeforeItWasStartedIsCancelled() {
        #expect(steps.set("late", for: 20) == .some(nil))
        #expect(steps.set("early", for: 10) == .some(nil))
        #expect(steps.started("early"))
        #expect(!steps.started("late"))
        #expect(steps.stop() == "early")
    }
}
