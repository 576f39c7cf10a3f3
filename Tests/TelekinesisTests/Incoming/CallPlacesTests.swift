import Testing

@testable import Telekinesis

@Suite struct CallPlacesTests {
    private final class Call {}

    /// Places that an expectation may change.
    private final class Places {
        private var places: CallPlaces<Call>
        init(limit: Int) { places = CallPlaces(limit: limit) }
        func enter(_ call: Call) -> Bool { places.enter(call) }
        func giveUp(_ call: Call) -> Bool { places.giveUp(call) }
        func leave(_ call: Call) -> Call? { places.leave(call) }
    }

    @Test func onlySoManyRunAndTheOthersFollowInOrder() {
        let places = Places(limit: 2)
        let calls = (0..<5).map { _ in Call() }
        #expect(calls.map { places.enter($0) } == [true, true, false, false, false])
        #expect(places.leave(calls[1]) === calls[2])
        #expect(places.leave(calls[0]) === calls[3])
        #expect(places.leave(calls[2]) === calls[4])
        #expect(places.leave(calls[3]) == nil && places.leave(calls[4]) == nil)
        #expect(places.enter(Call()))
    }

    @Test func whoGivesUpIsPassedOverAndLeavesNoPlaceBehind() {
        let places = Places(limit: 1)
        let calls = (0..<4).map { _ in Call() }
        for call in calls { _ = places.enter(call) }
        #expect(!places.giveUp(calls[0]))
        #expect(places.giveUp(calls[1]) && !places.giveUp(calls[1]))
        // It never ran: its end frees nothing.
        #expect(places.leave(calls[1]) == nil)
        #expect(places.leave(calls[0]) === calls[2])
        #expect(places.giveUp(calls[3]))
        #expect(places.leave(calls[2]) == nil)
        #expect(places.enter(calls[1]))
    }

    @Test func aLongQueueIsServedToItsEnd() {
        let places = Places(limit: 1)
        let calls = (0..<5_000).map { _ in Call() }
        for call in calls { _ = places.enter(call) }
        for (call, next) in zip(calls, calls.dropFirst()) { #expect(places.leave(call) === next) }
    }
}
