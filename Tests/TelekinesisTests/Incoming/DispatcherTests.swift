import Reactor
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Calls that arrive when the loop that serves them has ended.
@Suite(.timeLimit(.minutes(1))) struct DispatcherTests {
    @Test func callsAreServedThoughTheirLoopHasEnded() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        try await node.publish(function: "pause") { try await Task.sleep(for: .milliseconds(1)) }
        let key = try hub.publishedKey()
        // A worker that waits when the loop ends, and calls that find it so.
        hub.call(key, id: 1, from: 77)
        #expect(try await hub.answer(to: 1, within: .seconds(10)) != nil)
        hub.eventLoops.shutdown()
        while !node.session.loop.hasStopped { try await Task.sleep(for: .milliseconds(1)) }
        for id in 2...20 as ClosedRange<CallID> {
            hub.call(key, id: id, from: 77)
            try #require(try await hub.answer(to: id, within: .seconds(5)) != nil)
        }
        for id in 21...40 as ClosedRange<CallID> { hub.call(key, id: id, from: 77) }
        #expect(try await hub.answers(20, within: .seconds(3)) == 20)
        await node.close()
    }
}

extension ScriptedHub {
    fileprivate func answer(to call: CallID, within time: Duration) async throws -> HeardFrame? {
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end {
            if let reply = take(.reply).first(where: { $0.call == call }) { return reply }
            try await Task.sleep(for: .milliseconds(1))
        }
        return nil
    }

    /// How many answers come, up to a number.
    fileprivate func answers(_ count: Int, within time: Duration) async throws -> Int {
        let end = ContinuousClock.now + time
        var seen = 0
        while seen < count, ContinuousClock.now < end {
            seen += take(.reply).count
            try await Task.sleep(for: .milliseconds(1))
        }
        return seen
    }
}
