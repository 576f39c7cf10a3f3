import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// A hub that asks a node to end its connection.
@Suite(.timeLimit(.minutes(1))) struct DrainingTests {
    private static let peer = NodeID(rawValue: 77)

    @Test func whatIsBegunMeanwhileHoldsUpNoDrain() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        let simple = try await node.resolve("simple", as: Simple.self)
        _ = hub.take(.call)
        let early = node.session.open(node.session.held(.random(), at: Self.peer), window: 1_000)
        let waiting = Task { try await simple.answer() }
        let call = try await hub.find(.call) { $0.callFlags.contains(.route) }.call
        hub.send(FrameWriter.frame(.drain))
        // Both wait for the next connection.
        let late = node.session.open(node.session.held(.random(), at: Self.peer), window: 1_000)
        let second = Task { try await simple.answer() }
        try await eventually { node.session.state.withLock { $0.held.count } == 2 }
        #expect(hub.joins == 1)
        hub.send(FrameWriter.frame(.reply, flags: ReplyFlags.routed.rawValue, peer: Self.peer, call: call, body: [0, 42]))
        #expect(try await waiting.value == 42)
        try await eventually { hub.joins == 2 }
        let opened = try await hub.find(.call) { $0.call == late.call }
        #expect(opened.selector == ObjectService.open.rawValue)
        second.cancel()
        _ = await second.result
        withExtendedLifetime((early, late)) {}
        await node.close()
    }

    /// Whoever leaves before the hub has said that all calls by name have ended would lose those that are on their way.
    @Test func aNodeThatShutsDownServesUntilNoCallByNameIsOnItsWay() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        try await node.publish(function: "one") { 1 }
        let key = try hub.publishedKey()
        try await node.publish(function: "two") { 2 }
        _ = hub.take(.call)
        hub.surprise(HubService.withdraw) { [weak hub] in hub?.call(key, id: 9, from: Self.peer.rawValue) }
        await node.shutdown()
        let heard = hub.take()
        let withdrawals = heard.filter { $0.type == .call && $0.selector == HubService.withdraw.rawValue }
        let requests = try withdrawals.map { try $0.argument(WithdrawRequest.self) }
        #expect(Set(requests.map(\.name)) == ["one", "two"] && requests.allSatisfy { $0.wait == true })
        let answer = heard.first { $0.type == .reply && $0.call == 9 }
        #expect(answer.map { $0.error == nil } == true)
    }
}
