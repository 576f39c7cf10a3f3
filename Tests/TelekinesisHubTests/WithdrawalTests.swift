import Synchronization
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Providers that take their names back, and wait until no call comes by them any more.
@Suite struct WithdrawalTests {
    private func leave(_ node: SimulatedNode) throws -> CallID {
        try node.control(HubService.withdraw, WithdrawRequest(name: ServiceName("p"), wait: true))
    }

    /// Withdraws the name while a call that was placed is about to be sent, as when that takes its time on another thread.
    private func leaveBeforeNextCall(_ node: SimulatedNode, _ link: NarrowLink) -> Latest {
        let asked = Latest()
        link.beforeEach { type in
            guard type == .call, asked.call == nil else { return }
            do {
                asked.call = try leave(node)
            } catch {
                Issue.record(error)
            }
        }
        return asked
    }

    private final class Latest: Sendable {
        private let id = Mutex<CallID?>(nil)
        var call: CallID? {
            get { id.withLock { $0 } }
            set { id.withLock { $0 = newValue } }
        }
    }

    @Test(arguments: [nil, 1])
    func theAnswerComesBehindACallThatWasPlacedAndNotSentYet(_ concurrency: Int?) async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        try provider.publish("p", concurrency: concurrency)
        try caller.resolve("p", route: 1)
        let asked = leaveBeforeNextCall(provider, link)
        let call = caller.call(.route(1))
        let request = try #require(asked.call)
        await hub.settle()
        #expect(hub.statistics.providers == 0)
        #expect(provider.answer(to: request) == nil)
        provider.reply(to: try #require(provider.take(.call).first))
        #expect(caller.answer(to: call).map { $0.error == nil } == true)
        await hub.settle()
        #expect(provider.answer(to: request).map { $0.error == nil } == true)
    }

    @Test func theAnswerComesBehindACallThatHasWaited() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        try provider.publish("p", concurrency: 1)
        try caller.resolve("p", route: 1)
        let calls = [caller.call(.route(1)), caller.call(.route(1))]
        let asked = leaveBeforeNextCall(provider, link)
        provider.reply(to: try #require(provider.take(.call).first))
        await hub.settle()
        let request = try #require(asked.call)
        #expect(provider.answer(to: request) == nil)
        provider.reply(to: try #require(provider.take(.call).first))
        #expect(calls.allSatisfy { caller.answer(to: $0).map { $0.error == nil } == true })
        await hub.settle()
        #expect(provider.answer(to: request).map { $0.error == nil } == true)
    }

    @Test(arguments: [nil, 4])
    func callsAtAPlaceThatWasHeldCountAsWell(_ concurrency: Int?) async throws {
        let hub = try await startHub()
        let (provider, holder) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("p", concurrency: concurrency)
        try holder.reserve("p", route: 1)
        for _ in 0..<2 { holder.call(.route(1)) }
        let request = try leave(provider)
        for call in provider.take(.call) {
            await hub.settle()
            #expect(provider.answer(to: request) == nil)
            provider.reply(to: call)
        }
        await hub.settle()
        #expect(provider.answer(to: request).map { $0.error == nil } == true)
        #expect(hub.statistics.reservations == 0)
    }

    @Test func nobodyWaitsForCallsThatAreNotThere() async throws {
        let hub = try await startHub()
        let (provider, other, caller) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("p", concurrency: 2)
        try caller.resolve("p", route: 1)
        // One was answered, one's caller goes.
        caller.call(.route(1))
        provider.reply(to: try #require(provider.take(.call).first))
        caller.call(.route(1))
        let request = try leave(provider)
        caller.close()
        await hub.settle()
        #expect(provider.answer(to: request).map { $0.error == nil } == true)
        // Of calls at others, and at whoever takes the name next, it knows nothing.
        try other.publish("p")
        let late = try SimulatedNode(hub)
        try late.resolve("p", route: 1)
        late.call(.route(1))
        try provider.publish("p")
        let again = try leave(provider)
        await hub.settle()
        #expect(provider.answer(to: again).map { $0.error == nil } == true)
        #expect(try provider.answer(to: leave(provider))?.error?.code == .noSuchName)
    }

    @Test func whoDoesNotAskForItIsAnsweredAtOnce() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("p")
        try caller.resolve("p", route: 1)
        caller.call(.route(1))
        try provider.withdraw("p")
        #expect(provider.take(.call).count == 1)
    }
}
