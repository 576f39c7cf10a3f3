import Distributed
import MessagePack
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What a node takes from whoever stands where its hub should be, and from peers beyond it.
@Suite(.timeLimit(.minutes(1))) struct HostileHubTests {
    @Test func nothingIsTakenFromAHubBeforeItHasLetTheNodeIn() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        try await node.ping()
        let ping = try #require(hub.take(.call).last).call
        // The next call waits for the hub to come back, and has the number that follows.
        let forged = FrameWriter.frame(.reply, call: ping + 1, body: [0, 0xc0])
        hub.greetNext(with: [forged])
        hub.cut()
        let error = try await #require(throws: TelekinesisError.self) { try await node.ping() }
        #expect(error.code == .protocolViolation)
        #expect(hub.joins == 2)
    }

    @Test func resultsThatNobodyTakesAreBounded() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub) { $0.maximumPartialBytes = 4 * 1024 * 1024 }
        try await node.publish(function: "large") { [UInt8](repeating: 7, count: 2 * 1024 * 1024) }
        let key = try hub.publishedKey()
        func call(_ id: CallID, from peer: UInt64) async throws -> HeardFrame {
            hub.call(key, id: id, from: peer)
            return try await hub.answer(to: id)
        }
        var errors: [TelekinesisError] = []
        for id in 1...10 { if let error = try await call(CallID(id), from: 77).error { errors.append(error) } }
        #expect(errors.count >= 5)
        #expect(errors.allSatisfy { $0.code == .overloaded && $0.ran == .yes })
        // Others are not disturbed, and with its caller what waited goes.
        #expect(try await call(1, from: 78).error == nil)
        hub.send(FrameWriter.frame(.gone, peer: NodeID(rawValue: 77)))
        #expect(try await call(11, from: 77).error == nil)
    }

    @Test func aHandleThatAnotherTaskIsAboutToBindIsBoundInFrontOfTheCall() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub)
        // Another task has chosen the handle, and has not said so to the hub yet.
        let route = node.session.route(try ServiceName("Class"))
        _ = try node.class("Class", of: Simple.self)()
        let calls = hub.take(.call)
        #expect(calls.map(\.selector) == [HubService.resolve.rawValue, ObjectService.create.rawValue])
        #expect(try calls.first?.argument(ResolveRequest.self).route == route.handle)
        // Once is enough.
        _ = try node.class("Class", of: Simple.self)()
        #expect(!hub.take(.call).contains { $0.selector == HubService.resolve.rawValue })
    }
}

distributed actor Simple {
    init(on node: Node) { actorSystem = node }
}
