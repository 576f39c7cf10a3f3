@testable import Reactor
import Testing

/// The poller's waits, against the real clock: never too short, and not much too long.
@Suite(.timeLimit(.minutes(1))) struct PollerTests {
    private func waits(_ milliseconds: UInt64, _ poller: some Poller) -> Bool {
        let start = MonotonicClock.now
        let moment = start + milliseconds * 1_000_000
        while MonotonicClock.now < moment { _ = poller.wait(.until(moment, now: MonotonicClock.now)) { _, _ in } }
        return MonotonicClock.now - moment < 1_000_000_000
    }

    @Test func timesNearAndFarAreKept() throws {
        let poller = try EpollPoller()
        for milliseconds: UInt64 in [0, 1, 19, 21, 60] { #expect(waits(milliseconds, poller)) }
    }

    @Test func aNearerTimeThanTheLastOneIsKept() throws {
        let poller = try EpollPoller()
        let now = MonotonicClock.now
        poller.wake()
        // Sets the alarm for an hour, and comes back at once.
        #expect(poller.wait(.until(now + 3_600_000_000_000, now: now)) { _, _ in } == 1)
        #expect(waits(50, poller))
        // What rang is set anew.
        #expect(waits(30, poller))
    }

    @Test func anAlarmThatIsNoLongerNeededHarmsNobody() throws {
        let poller = try EpollPoller()
        let now = MonotonicClock.now
        poller.wake()
        _ = poller.wait(.until(now + 30_000_000, now: now)) { _, _ in }
        #expect(waits(100, poller))
    }
}
