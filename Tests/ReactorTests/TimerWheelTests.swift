import Testing

@testable import Reactor

@Suite struct TimerWheelTests {
    private let millisecond: UInt64 = 1_000_000

    @Test func timerFiresAtItsTickAndNotBefore() {
        var wheel = TimerWheel<String>(now: 0)
        _ = wheel.insert(at: 5_500_000, "a")
        #expect(wheel.advance(to: 5_999_999).isEmpty)
        #expect(wheel.advance(to: 6_000_000) == ["a"])
        #expect(wheel.count == 0)
        #expect(wheel.nextAdvance == nil)
    }

    @Test func overdueTimerFiresAtTheNextAdvance() {
        var wheel = TimerWheel<Int>(now: 10 * millisecond)
        _ = wheel.insert(at: 3 * millisecond, 1)
        #expect(wheel.nextAdvance == 10 * millisecond)
        #expect(wheel.advance(to: 10 * millisecond) == [1])
    }

    @Test func timersFireInOrderOfDeadlineThenOfInsertion() {
        var wheel = TimerWheel<Int>(now: 0)
        for (index, deadline) in [9, 3, 3_000, 3, 70_000, 1].enumerated() {
            _ = wheel.insert(at: UInt64(deadline) * millisecond, index)
        }
        #expect(wheel.advance(to: 100_000 * millisecond) == [5, 1, 3, 0, 2, 4])
    }

    @Test func cancelledTimerGivesItsPayloadBackOnceAndDoesNotFire() {
        var wheel = TimerWheel<Int>(now: 0)
        let id = wheel.insert(at: millisecond, 7)
        #expect(wheel.cancel(id) == 7)
        #expect(wheel.cancel(id) == nil)
        let other = wheel.insert(at: millisecond, 8)
        #expect(wheel.cancel(id) == nil, "the place is reused, the name is not")
        #expect(wheel.advance(to: 2 * millisecond) == [8])
        #expect(wheel.cancel(other) == nil)
    }

    @Test func theFurthestTimesHaveASlot() {
        var wheel = TimerWheel<Int>(now: 12_345)
        _ = wheel.insert(at: .max, 1)
        _ = wheel.insert(at: .max / 2, 2)
        #expect(wheel.advance(to: .max / 2 - millisecond).isEmpty)
        #expect(wheel.advance(to: .max / 2 + millisecond) == [2])
        #expect(wheel.count == 1)
    }

    /// Against the obvious implementation: a list searched in full.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func agreesWithASortedList(seed: UInt64) {
        var random = SplitMix(state: seed)
        var now = random.next() >> 20
        var wheel = TimerWheel<UInt64>(now: now)
        var list: [(deadline: UInt64, name: UInt64, id: TimerWheel<UInt64>.ID)] = []
        for name in 0..<2_000 as Range<UInt64> {
            switch random.next() % 4 {
            case 0, 1:
                let deadline = now + random.next() >> (20 + random.next() % 40)
                list.append((deadline, name, wheel.insert(at: deadline, name)))
            case 2 where !list.isEmpty:
                let victim = list.remove(at: Int(random.next() % UInt64(list.count)))
                #expect(wheel.cancel(victim.id) == victim.name)
            default:
                now += random.next() >> (30 + random.next() % 30)
                let due = list.filter { ($0.deadline + millisecond - 1) / millisecond <= now / millisecond }
                list.removeAll { timer in due.contains { $0.name == timer.name } }
                let expected = due.sorted { ($0.deadline, $0.name) < ($1.deadline, $1.name) }.map(\.name)
                #expect(wheel.advance(to: now) == expected)
                #expect(wheel.count == list.count)
                if let next = wheel.nextAdvance, let first = list.map(\.deadline).min() {
                    #expect(next <= (first + millisecond - 1) / millisecond * millisecond)
                }
            }
        }
    }
}

/// A small repeatable generator (Steele, Lea and Flood, 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
