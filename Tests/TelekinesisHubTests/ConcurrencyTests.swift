import Reactor
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Providers that take so many calls at once, and the calls that wait for them at the hub.
@Suite struct ConcurrencyTests {
    let clock = VirtualClock()

    private func startHub(_ change: (inout HubConfiguration) -> Void = { _ in }) async throws -> Hub {
        try await TelekinesisHubTests.startHub(EventLoopGroup(loops: 1, clock: .virtual(clock)), change)
    }

    @Test func callsBeyondTheLimitWaitAndLeaveInOrder() async throws {
        let hub = try await startHub()
        let (provider, caller, other) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("work", concurrency: 2)
        try caller.resolve("work", route: 1)
        try other.resolve("work", route: 1)
        let ids = (0..<4).map { _ in caller.call(.route(1), remaining: 10_000) }
        other.call(.route(1))
        let first = provider.take(.call)
        #expect(first.map(\.call) == [ids[0], ids[1]] && hub.statistics.waitingCalls == 3)
        await clock.advance(by: 4_000_000_000)
        provider.reply(to: first[1])
        await clock.advance(by: 0)
        let second = provider.take(.call)
        #expect(second.map(\.call) == [ids[2]] && second.map(\.remaining) == [6_000])
        for call in first.prefix(1) + second { provider.reply(to: call) }
        await clock.advance(by: 0)
        #expect(provider.take(.call).map(\.peer) == [caller.id, other.id])
        #expect(hub.statistics.waitingCalls == 0 && hub.statistics.openCalls == 2)
    }

    @Test func whoeverWaitsTooLongOrGivesUpIsAnsweredByTheHub() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("work", concurrency: 1)
        try caller.resolve("work", route: 1)
        let running = caller.call(.route(1))
        let (late, cancelled) = (caller.call(.route(1), remaining: 1_000), caller.call(.route(1)))
        await clock.advance(by: 1_000_000_000)
        let error = caller.answer(to: late)?.error
        #expect(error?.code == .deadlineExceeded && error?.ran == .no)
        #expect(error?.message.contains("the provider of “work” was busy") == true)
        caller.send(FrameWriter.frame(.cancel, call: cancelled))
        #expect(caller.answer(to: cancelled)?.error?.code == .cancelled)
        let heard = provider.take()
        #expect(heard.filter { $0.type != .peer }.map(\.call) == [running])
        provider.reply(to: try #require(heard.last))
        await clock.advance(by: 0)
        #expect(provider.take().isEmpty && hub.statistics.openCalls == 0)
    }

    @Test func theQueueIsBounded() async throws {
        let hub = try await startHub { $0.limits.waitingCallsPerName = 2 }
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("work", concurrency: 1)
        try caller.resolve("work", route: 1)
        let ids = (0..<4).map { _ in caller.call(.route(1)) }
        let error = caller.answer(to: ids[3])?.error
        #expect(error?.code == .overloaded && error?.ran == .no && error?.message.contains("2 calls") == true)
        #expect(hub.statistics.waitingCalls == 2)
    }

    @Test func largeArgumentsWaitWithTheirCall() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("work", concurrency: 1)
        try caller.resolve("work", route: 1)
        caller.call(.route(1))
        let large = caller.call(.route(1), flags: .more)
        caller.send(FrameWriter.data(flags: .last, peer: .hub, call: large, bytes: [7]), lane: .bulk)
        provider.reply(to: try #require(provider.take(.call).first))
        await clock.advance(by: 0)
        let heard = provider.take()
        #expect(heard.map(\.type) == [.call, .data] && heard.allSatisfy { $0.call == large })
    }

    @Test func aPlaceIsFreeAgainHoweverItsCallEnded() async throws {
        let hub = try await startHub()
        let (provider, caller, doomed) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("work", concurrency: 1)
        for node in [caller, doomed] { try node.resolve("work", route: 1) }
        // The caller goes.
        doomed.call(.route(1))
        let second = caller.call(.route(1), remaining: .max)
        doomed.close()
        await clock.advance(by: 0)
        #expect(provider.take(.call).map(\.call).last == second)
        // The answer is large.
        let third = caller.call(.route(1))
        let call = KeptFrame(bytes: FrameWriter.frame(.call, peer: caller.id, call: second))
        provider.reply(to: call, flags: .more)
        await clock.advance(by: 0)
        #expect(provider.take(.call).isEmpty)
        provider.send(FrameWriter.data(flags: [.towardsCaller, .last], peer: caller.id, call: second, bytes: [4]), lane: .bulk)
        await clock.advance(by: 0)
        #expect(provider.take(.call).map(\.call) == [third])
    }

    @Test func queuedCallsGoToOthersWhenTheirProviderGoes() async throws {
        let hub = try await startHub()
        let (first, second, caller) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try first.publish("work", concurrency: 1)
        try caller.resolve("work", route: 1)
        let ids = (0..<3).map { _ in caller.call(.route(1)) }
        try second.publish("work", concurrency: 1)
        #expect(second.take(.call).map(\.call) == [ids[1]])
        try first.withdraw("work")
        first.close()
        await clock.advance(by: 0)
        #expect(caller.answer(to: ids[0])?.error?.code == .disconnected)
        second.reply(to: KeptFrame(bytes: FrameWriter.frame(.call, peer: caller.id, call: ids[1])))
        await clock.advance(by: 0)
        #expect(second.take(.call).map(\.call) == [ids[2]])
        // Nobody is left: what waits, and may not wait for a provider, is told.
        let last = caller.call(.route(1))
        try second.withdraw("work")
        #expect(caller.answer(to: last)?.error?.code == .noProvider)
        #expect(hub.statistics.waitingCalls == 0)
    }

    @Test func callsOnWhatAClassMadeTakeNoPlace() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("Class", kind: .class, concurrency: 1)
        try caller.resolve("Class", route: 1)
        let keys = [ActorKey.random(), .random()]
        let first = caller.call(.route(1), flags: .resultKey, body: CreationTests.bytes(keys[0]))
        let second = caller.call(.route(1), flags: .resultKey, body: CreationTests.bytes(keys[1]))
        let onFirst = caller.call(.key(keys[0]))
        let onSecond = caller.call(.key(keys[1]))
        let heard = provider.take(.call)
        #expect(heard.map(\.call) == [first, onFirst])
        provider.reply(to: heard[0])
        await clock.advance(by: 0)
        #expect(provider.take(.call).map(\.call) == [second, onSecond])
        // One whose creation is cancelled in the queue is answered.
        let third = ActorKey.random()
        let creation = caller.call(.route(1), flags: .resultKey, body: CreationTests.bytes(third))
        let onThird = caller.call(.key(third))
        caller.send(FrameWriter.frame(.cancel, call: creation))
        await clock.advance(by: 0)
        #expect(caller.answer(to: onThird)?.error?.code == .noSuchObject)
    }

    @Test func aProviderTakesAtLeastOneCall() async throws {
        let hub = try await startHub()
        let error = #expect(throws: TelekinesisError.self) { try SimulatedNode(hub).publish("work", concurrency: 0) }
        #expect(error?.code == .badArguments)
    }
}
