import Reactor
import Synchronization
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

@Suite struct WaitingTests {
    @Test func resolveThatWaitsIsAnsweredWhenSomebodyServes() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let id = try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        #expect(caller.answer(to: id) == nil && hub.statistics.waitingCalls == 1)
        try provider.publish("later")
        #expect(caller.answer(to: id)?.error == nil && hub.statistics.waitingCalls == 0)
        caller.call(.route(1))
        #expect(provider.take(.call).count == 1)
    }

    @Test func resolveWaitsOnWhenItsProviderHasGoneAgainBeforeTheAnswer() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let request = ResolveRequest(name: try ServiceName("later"), route: 1, wait: true)
        let id = try caller.control(HubService.resolve, request)
        let entry = try #require(hub.board.directory.withLock { $0.names["later"] })
        let session = try #require(hub.board.session(of: provider.id))
        // Another thread has found the call, which may go now; before it goes on, the provider leaves.
        let passing = Provider(session: session, node: provider.id, link: provider.link, key: .random(), entry: entry)
        let publication = PublishRequest(name: try ServiceName("later"), key: passing.key, kind: .object, sharing: .shared)
        let departure = entry.state.withLock { state in
            _ = state.publish(passing, publication, by: Principal(name: "local"), now: 0) { _ in true }
            defer { state.remove(passing) }
            return state.next()
        }
        guard case .goes(let call, nil) = departure else { throw CancellationError() }
        call.caller.leave(call, to: nil, from: entry)
        #expect(caller.answer(to: id) == nil && hub.statistics.waitingCalls == 1)
        try provider.publish("later")
        #expect(caller.answer(to: id).map { $0.error == nil } == true && hub.statistics.waitingCalls == 0)
    }

    @Test func callsThatMayWaitLeaveInOrderWithTheTimeTheyHaveLeft() async throws {
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock)))
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        let ids = (0..<3).map { _ in caller.call(.route(1), flags: .mayWait, remaining: 10_000) }
        let forever = caller.call(.route(1), flags: .mayWait, remaining: .max)
        // One that may not wait fails at once.
        #expect(caller.answer(to: caller.call(.route(1)))?.error?.code == .noSuchName)
        await clock.advance(by: 4_000_000_000)
        let key = try provider.publish("later")
        let calls = provider.take(.call)
        #expect(calls.map(\.call) == ids + [forever])
        #expect(calls.map(\.remaining) == [6_000, 6_000, 6_000, .max])
        #expect(calls.allSatisfy { $0.key == key && $0.peer == caller.id && CallFlags(rawValue: $0.flags).isEmpty })
        for call in calls { provider.reply(to: call) }
        #expect(hub.statistics.openCalls == 0)
    }

    @Test func nobodyWaitsLongerThanTheDeadline() async throws {
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock)))
        let caller = try SimulatedNode(hub)
        let resolve = try caller.control(
            HubService.resolve, ResolveRequest(name: ServiceName("never"), route: 1, wait: true), remaining: 1_000)
        let call = caller.call(.route(1), flags: .mayWait, remaining: 2_000)
        await clock.advance(by: 999_000_000)
        #expect(hub.statistics.waitingCalls == 2)
        await clock.advance(by: 1_000_000)
        #expect(caller.answer(to: resolve)?.error?.code == .deadlineExceeded)
        await clock.advance(by: 1_000_000_000)
        let error = caller.answer(to: call)?.error
        #expect(error?.code == .deadlineExceeded && error?.ran == .no)
        #expect(hub.statistics.waitingCalls == 0 && hub.statistics.openCalls == 0)
    }

    @Test func waitingCallIsCancelledByTheHub() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        let id = caller.call(.route(1), flags: .mayWait)
        caller.send(FrameWriter.frame(.cancel, call: id))
        let error = caller.answer(to: id)?.error
        #expect(error?.code == .cancelled && error?.ran == .no)
        try provider.publish("later")
        #expect(provider.take(.call).isEmpty)
    }

    @Test func largeCallWaitsAsAWhole() async throws {
        let hub = try await startHub { $0.limits.waitingBytesPerName = 1_000 }
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        let kept = caller.call(.route(1), flags: [.mayWait, .more])
        caller.send(FrameWriter.data(flags: [], peer: .hub, call: kept, bytes: [1]), lane: .bulk)
        let tooLarge = caller.call(.route(1), flags: [.mayWait, .more])
        caller.send(FrameWriter.data(flags: .last, peer: .hub, call: tooLarge, bytes: [UInt8](repeating: 7, count: 900)[...]), lane: .bulk)
        #expect(caller.answer(to: tooLarge)?.error?.code == .overloaded)
        try provider.publish("later")
        caller.send(FrameWriter.data(flags: .last, peer: .hub, call: kept, bytes: [2]), lane: .bulk)
        let heard = provider.take().filter { $0.type != .peer }
        #expect(heard.map(\.type) == [.call, .data, .data])
        #expect(heard.allSatisfy { $0.call == kept && $0.peer == caller.id } && heard.dropFirst().map(\.body) == [[1], [2]])
    }

    @Test func waitingIsBounded() async throws {
        let hub = try await startHub { $0.limits.waitingCallsPerName = 4 }
        let caller = try SimulatedNode(hub)
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        let ids = (0..<3).map { _ in caller.call(.route(1), flags: .mayWait) }
        #expect(caller.answer(to: ids[1]) == nil)
        let error = caller.answer(to: ids[2])?.error
        #expect(error?.code == .overloaded && error?.ran == .no)
        caller.close()
        #expect(hub.statistics == HubStatistics())
    }

    @Test func nobodyFillsTheQueueOfANameForTheOthers() async throws {
        let hub = try await startHub {
            $0.limits.waitingCallsPerName = 100
            $0.limits.waitingBytesPerName = 100_000
        }
        let provider = try SimulatedNode(hub)
        let nodes = try (0..<4).map { _ in try SimulatedNode(hub) }
        for node in nodes { try node.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: false)) }
        // Each takes whatever it can get.
        func fill(_ node: SimulatedNode, bytes: Int) -> Int {
            let body = [UInt8](repeating: 7, count: bytes)
            return (0..<150).count { _ in node.answer(to: node.call(.route(1), flags: .mayWait, body: body)) == nil }
        }
        #expect(fill(nodes[0], bytes: 1) == 51)
        let others = nodes.dropFirst().map { fill($0, bytes: 1) }
        #expect(others == [25, 13, 6] && nodes.map { fill($0, bytes: 1) } == [0, 0, 0, 0])
        // What leaves, however it does, counts no more.
        for node in nodes[1...2] { node.close() }
        try provider.publish("later")
        #expect(provider.take(.call).count == 51 + 6)
        try provider.withdraw("later")
        // The same of bytes.
        #expect(fill(nodes[0], bytes: 9_952) == 6 && fill(nodes[3], bytes: 9_952) == 3)
        nodes[0].close()
        nodes[3].close()
        #expect(hub.statistics.waitingCalls == 0)
    }

    @Test func whatOneNodeLetsWaitIsBoundedOverAllNames() async throws {
        let hub = try await startHub { $0.limits.waitingBytesPerSession = 300 }
        let (caller, other) = (try SimulatedNode(hub), try SimulatedNode(hub))
        for (route, name) in ["a", "b", "c"].enumerated() {
            let request = ResolveRequest(name: try ServiceName(name), route: UInt32(route), wait: false)
            for node in [caller, other] where route > 0 { try node.control(HubService.resolve, request) }
        }
        let kept = caller.call(.route(1), flags: .mayWait, body: [UInt8](repeating: 7, count: 150))
        let refused = caller.call(.route(2), flags: .mayWait, body: [UInt8](repeating: 7, count: 150))
        #expect(caller.answer(to: kept) == nil)
        #expect(caller.answer(to: refused)?.error?.code == .overloaded)
        // Others have a share of their own, and what no longer waits counts no more.
        #expect(other.answer(to: other.call(.route(2), flags: .mayWait, body: [UInt8](repeating: 7, count: 150))) == nil)
        caller.send(FrameWriter.frame(.cancel, call: kept))
        #expect(caller.answer(to: caller.call(.route(2), flags: .mayWait, body: [UInt8](repeating: 7, count: 150))) == nil)
        #expect(hub.statistics.waitingCalls == 2)
    }

    @Test func callsToAnObjectInTheMakingWaitBehindItsCreation() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("Class"), route: 1, wait: true))
        let (made, unmade) = (ActorKey.random(), ActorKey.random())
        let creations = [made, unmade].map {
            caller.call(.route(1), flags: [.mayWait, .resultKey], body: CreationTests.bytes($0))
        }
        let calls = [made, unmade].map { caller.call(.key($0)) }
        caller.send(FrameWriter.frame(.cancel, call: creations[1]))
        let classKey = try provider.publish("Class", .shared, kind: .class)
        await hub.settle()
        let heard = provider.take(.call)
        #expect(heard.map(\.call) == [creations[0], calls[0]] && heard.map(\.key) == [classKey, made])
        let error = caller.answer(to: calls[1])?.error
        #expect(error?.code == .noSuchObject && error?.ran == .no)
    }

    @Test func unboundNameThatIsWaitedForIsNotForgotten() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        let id = caller.call(.route(1), flags: .mayWait)
        #expect(try caller.refusal(HubService.unbind, 1 as UInt32) == nil)
        try provider.publish("later")
        #expect(provider.take(.call).map(\.call) == [id])
    }

    @Test func whatACallThatFindsNobodyWasToMakeIsForgotten() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("Class"), route: 1, wait: true))
        let keys = (0..<2).map { _ in ActorKey.random() }
        caller.call(.route(1), flags: [.mayWait, .resultKey], body: CreationTests.bytes(keys[0]))
        let second = caller.call(.key(keys[0]), flags: .resultKey, body: CreationTests.bytes(keys[1]))
        // The provider takes the first one and no more; its session has not heard of the end yet.
        link.beforeEach { if $0 == .call { link.close(TelekinesisError(.disconnected, "the test cuts the connection")) } }
        _ = try? provider.publish("Class", kind: .class)
        await hub.settle()
        #expect(caller.answer(to: second)?.error?.code == .disconnected)
        #expect(hub.statistics.created == 1 && hub.statistics.openCalls == 1)
    }
}
