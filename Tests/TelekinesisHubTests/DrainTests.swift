import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

@Suite struct DrainTests {
    @Test func callersLeaveBeforeProvidersAndAcceptedCallsFinish() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1))
        async let drained: Void = hub.drain(grace: .seconds(20))
        while caller.take(.drain).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        #expect(throws: TelekinesisError.self) { try SimulatedNode(hub) }
        let heard = provider.take()
        #expect(!heard.contains { $0.type == .drain })
        provider.reply(to: try #require(heard.first { $0.type == .call }))
        #expect(caller.answer(to: id)?.error == nil)
        // Calls that crossed the request are served as well.
        caller.call(.route(1))
        #expect(provider.take(.call).count == 1)
        caller.close()
        while provider.take(.drain).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        provider.close()
        await drained
        #expect(hub.statistics == HubStatistics())
    }

    @Test func whatWaitsIsSentElsewhere() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let resolve = try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        let call = caller.call(.route(1), flags: .mayWait)
        async let drained: Void = hub.drain(grace: .seconds(20))
        var errors: [TelekinesisError] = []
        while errors.count < 2 {
            errors += [resolve, call].compactMap { caller.answer(to: $0)?.error }
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(errors.allSatisfy { $0.code == .moved && $0.ran == .no })
        caller.close()
        await drained
    }

    @Test func whatCrossesTheRequestToLeaveDoesNotWaitHere() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("busy", concurrency: 1)
        try caller.resolve("busy", route: 1)
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 2, wait: true))
        let running = caller.call(.route(1))
        let waiting = [caller.call(.route(1)), caller.call(.route(2), flags: .mayWait)]
        async let drained: Void = hub.drain(grace: .seconds(20))
        var heard: [KeptFrame] = []
        while heard.count < 3 {
            heard += caller.take().filter { $0.type == .drain || waiting.contains($0.call) }
            try await Task.sleep(for: .milliseconds(1))
        }
        // First the request, so that nobody sends again here what is refused.
        #expect(heard.first?.type == .drain && heard.dropFirst().allSatisfy { $0.error?.code == .moved && $0.error?.ran == .no })
        // There is no room, nobody serves the name, and nobody is going to.
        let reserve = ReserveRequest(name: try ServiceName("busy"), route: 3, wait: true, lease: 10_000)
        let resolve = ResolveRequest(name: try ServiceName("never"), route: 4, wait: true)
        let crossing = [
            caller.call(.route(1)), caller.call(.route(2), flags: .mayWait), caller.call(.route(2)),
            try caller.control(HubService.reserve, reserve), try caller.control(HubService.resolve, resolve),
        ]
        for id in crossing {
            let error = caller.answer(to: id)?.error
            #expect(error?.code == .moved && error?.ran == .no)
        }
        provider.reply(to: try #require(provider.take(.call).first))
        #expect(caller.answer(to: running) != nil)
        caller.close()
        while provider.take(.drain).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        provider.close()
        await drained
        #expect(hub.statistics == HubStatistics())
    }

    @Test func aNodeThatServesWaitsForOthersUntilItIsAskedToLeaveItself() async throws {
        let hub = try await startHub()
        let (provider, serving, caller) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("busy", concurrency: 1)
        try serving.publish("other")
        try serving.resolve("busy", route: 1)
        serving.call(.route(1))
        let waiting = serving.call(.route(1))
        async let drained: Void = hub.drain(grace: .seconds(20))
        while caller.take(.drain).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        let late = serving.call(.route(1))
        #expect(hub.statistics.waitingCalls == 2)
        provider.answerAll()
        provider.reply(to: try #require(provider.take(.call).first))
        await hub.settle()
        #expect([waiting, late].allSatisfy { serving.answer(to: $0)?.type == .reply } && serving.take(.drain).isEmpty)
        for node in [caller, serving, provider] { node.close() }
        await drained
    }

    @Test func aNodeThatComesInMeanwhileIsAskedToLeaveAsWell() async throws {
        let hub = try await startHub()
        let (there, late) = (try SimulatedNode(hub), try SimulatedNode(silentAt: hub))
        async let drained: Void = hub.drain(grace: .seconds(20))
        while there.take(.drain).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        try late.shakeHands()
        #expect(late.take(.drain).count == 1)
        late.close()
        there.close()
        await drained
    }

    @Test func graceHasAnEnd() async throws {
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock)))
        let node = try SimulatedNode(hub)
        async let drained: Void = hub.drain(grace: .seconds(30))
        while node.take(.drain).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        await clock.advance(by: 29_000_000_000)
        #expect(node.end == nil)
        await clock.advance(by: 1_000_000_000)
        await drained
        #expect(node.end?.code == .draining)
    }

    @Test func aNodeThatDoesNotTakeTheRequestDoesNotExtendTheGrace() async throws {
        let hub = try await startHub()
        let isReleased = Condition(false)
        let stuck = try StuckNode(hub, isReleased)
        #expect(stuck.node.welcome != nil)
        let isDrained = Mutex(false)
        // On a loop of its own: the default executor may be busy with other tests.
        let own = try EventLoopGroup(loops: 1)
        defer { own.shutdown() }
        let drain = Task(executorPreference: own.next()) {
            await hub.drain(grace: .milliseconds(100))
            isDrained.withLock { $0 = true }
        }
        let end = ContinuousClock.now + .seconds(10)
        while !isDrained.withLock({ $0 }), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(1)) }
        #expect(isDrained.withLock { $0 })
        isReleased.withLock { $0 = true }
        isReleased.signalAll()
        await drain.value
    }

    @Test func stopEndsEverybodyAtOnce() async throws {
        let hub = try await startHub()
        let nodes = try (0..<3).map { _ in try SimulatedNode(hub) }
        try nodes[0].publish("a")
        await hub.stop()
        #expect(nodes.allSatisfy { $0.end?.code == .draining })
        #expect(hub.statistics == HubStatistics())
    }

    @Test func aHubThatNobodyHoldsEnds() async throws {
        weak var board: Switchboard?
        func node() async throws -> SimulatedNode {
            let hub = try await startHub()
            board = hub.board
            let node = try SimulatedNode(hub)
            try node.publish("a")
            return node
        }
        let left = try await node()
        #expect(left.end?.code == .draining)
        // Its loop may still be ending.
        for _ in 0..<2_000 where board != nil { try await Task.sleep(for: .milliseconds(1)) }
        #expect(board == nil)
    }
}

/// Hears the request to leave, and does not come back from it until it is released.
private final class StuckNode: FrameReceiver {
    let node: SimulatedNode
    private let isReleased: Condition<Bool>

    init(_ hub: Hub, _ isReleased: Condition<Bool>) throws {
        let link = try hub.join()
        node = SimulatedNode(link)
        self.isReleased = isReleased
        link.start(self)
        try node.shakeHands()
    }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        if frame.type == .drain { _ = isReleased.wait { $0 ? true : nil } }
        try node.received(frame, on: link)
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) { node.ended(link, reason) }
}
