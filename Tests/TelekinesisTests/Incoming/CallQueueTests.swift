import Testing

@testable import Telekinesis

@Suite struct CallQueueTests {
    /// A call of a caller, with a number.
    private struct Numbered: QueuedCall {
        var order: String
        var number: Int
    }

    private static func queue(_ calls: [(String, Int)]) -> CallQueue<Numbered> {
        var queue = CallQueue<Numbered>()
        for (order, number) in calls { queue.append(Numbered(order: order, number: number)) }
        return queue
    }

    private static func rest(of queue: inout CallQueue<Numbered>) -> [Int] {
        var numbers: [Int] = []
        while let next = queue.next() { numbers.append(next.call.number) }
        return numbers
    }

    @Test func callsAreTakenInTheOrderInWhichTheyCame() {
        var queue = Self.queue((0..<5_000).map { ("a", $0) })
        let numbers = Self.rest(of: &queue)
        let isEmpty = queue.isEmpty
        #expect(numbers == Array(0..<5_000))
        #expect(isEmpty)
    }

    @Test func callsOfALateOnesOrderWaitUntilItHasArrivedAndOthersDoNot() throws {
        var queue = Self.queue([("a", 1), ("a", 2), ("b", 3), ("a", 4)])
        let late = queue.next()?.way
        let way = try #require(late)
        queue.waitForLast(way.ticket)
        let others = Self.rest(of: &queue)
        #expect(others == [3])
        queue.append(Numbered(order: "a", number: 5))
        queue.append(Numbered(order: "b", number: 6))
        let isThere = queue.letPass(way)
        #expect(isThere)
        let rest = Self.rest(of: &queue)
        #expect(rest == [2, 4, 5, 6])
    }

    @Test func aCallThatIsNoLongerTheLastIsNotWaitedFor() throws {
        var queue = Self.queue([("a", 1), ("b", 2), ("a", 3)])
        let first = queue.next()?.way
        let way = try #require(first)
        _ = queue.next()
        queue.waitForLast(way.ticket)
        let rest = Self.rest(of: &queue)
        #expect(rest == [3])
    }

    @Test func aLateCallThatNobodyWaitsForLeavesNothingBehind() throws {
        var queue = Self.queue([("a", 1)])
        let first = queue.next()?.way
        let way = try #require(first)
        queue.waitForLast(way.ticket)
        let isThere = queue.letPass(way)
        #expect(!isThere)
        queue.append(Numbered(order: "a", number: 2))
        let rest = Self.rest(of: &queue)
        #expect(rest == [2])
    }

    @Test func amongThoseThatWaitedOneCanBeLateAgain() throws {
        var queue = Self.queue([("a", 1), ("a", 2), ("a", 3)])
        for number in 1...2 {
            let next = queue.next()
            let taken = try #require(next)
            #expect(taken.call.number == number)
            queue.waitForLast(taken.way.ticket)
            let other = queue.next()?.call.number
            #expect(other == nil)
            let isThere = queue.letPass(taken.way)
            #expect(isThere)
        }
        let rest = Self.rest(of: &queue)
        #expect(rest == [3])
    }
}
