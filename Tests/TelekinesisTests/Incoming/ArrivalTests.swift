import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Calls behind one whose arguments come in parts.
@Suite(.timeLimit(.minutes(1))) struct ArrivalTests {
    private let hub: ScriptedHub
    private let node: Node
    private let key: ActorKey

    init() async throws {
        hub = try ScriptedHub()
        node = try await Node.connect(hub)
        try await node.publish(function: "one") { 1 }
        key = try hub.publishedKey()
    }

    /// What the runtime answers by itself is in turn like any other call.
    @Test(arguments: [ObjectService.ping, ObjectService.describe, ObjectService.open, ObjectService.create, Selector(rawValue: 7)])
    func whateverALargeCallMeansThoseBehindItFollow(_ selector: Selector) async throws {
        hub.call(key, id: 1, from: 77, firstOfMany: 100, selector: selector)
        for id in 2...100 as ClosedRange<CallID> { hub.call(key, id: id, from: 77) }
        #expect(hub.take(.reply).isEmpty)
        hub.finish(1, from: 77)
        var answered: [CallID] = []
        try await eventually {
            answered += hub.take(.reply).map(\.call)
            return answered.count == 100
        }
        #expect(answered.sorted() == Array(1...100))
        try await eventually { node.isUntouched }
        await node.close()
    }

    @Test func oneThatIsCancelledIsAnsweredAtOnceAndTheOthersKeepTheirOrder() async throws {
        hub.call(key, id: 1, from: 77, firstOfMany: 100)
        for id in 2...5 as ClosedRange<CallID> { hub.call(key, id: id, from: 77) }
        for id in [3, 5, 3] as [CallID] { hub.send(FrameWriter.frame(.cancel, peer: NodeID(rawValue: 77), call: id)) }
        let cancelled = hub.take(.reply)
        #expect(cancelled.map(\.call) == [3, 5])
        #expect(cancelled.allSatisfy { $0.error?.code == .cancelled && $0.error?.ran == .no })
        hub.finish(1, from: 77)
        var answered: [HeardFrame] = []
        try await eventually {
            answered += hub.take(.reply)
            return answered.count == 3
        }
        #expect(answered.map(\.call) == [1, 2, 4] && answered.allSatisfy { $0.error == nil })
        try await eventually { node.isUntouched }
        await node.close()
    }

    @Test(arguments: [false, true])
    func withTheirCallerGoesAllThatWaits(_ isWholeLinkGone: Bool) async throws {
        // The last large one is whole, behind one that is not.
        hub.call(key, id: 1, from: 77, firstOfMany: 100)
        for id in 2...100 as ClosedRange<CallID> { hub.call(key, id: id, from: 77) }
        hub.call(key, id: 101, from: 77, firstOfMany: 100)
        hub.finish(101, from: 77)
        #expect(node.session.incoming.counts[0] == 100)
        if isWholeLinkGone { hub.cut() } else { hub.send(FrameWriter.frame(.gone, peer: NodeID(rawValue: 77), call: 1)) }
        #expect(node.isUntouched)
        try await eventually { hub.joins == (isWholeLinkGone ? 2 : 1) }
        try await node.ping()
        hub.call(key, id: 1, from: 78)
        #expect(try await hub.answer(to: 1).error == nil)
        await node.close()
    }
}
