import Reactor
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Providers that do not answer.
@Suite struct ExpiryTests {
    private struct Stage {
        let clock = VirtualClock()
        let hub: Hub
        let provider: SimulatedNode
        let caller: SimulatedNode

        init() async throws {
            hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock)))
            (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
            try provider.publish("silent")
            try caller.resolve("silent", route: 1)
        }

        func advance(seconds: UInt64) async { await clock.advance(by: seconds * 1_000_000_000) }
    }

    @Test func aCallThatIsNeverAnsweredIsForgottenAfterItsDeadline() async throws {
        let stage = try await Stage()
        let (provider, caller) = (stage.provider, stage.caller)
        let short = caller.call(.route(1), remaining: 1_000)
        let long = caller.call(.route(1), remaining: 60_000)
        let forever = caller.call(.route(1), remaining: .max)
        await stage.advance(seconds: 10)
        // An answer may be late.
        #expect(stage.hub.statistics.openCalls == 3 && caller.answer(to: short) == nil)
        await stage.advance(seconds: 15)
        #expect(stage.hub.statistics.openCalls == 2 && stage.hub.statistics.expiredCalls == 1)
        let reply = try #require(caller.answer(to: short))
        #expect(reply.error?.code == .deadlineExceeded && reply.error?.ran == .maybe)
        // It is told where the call was: what it handed over is there.
        #expect(reply.peer == provider.id && ReplyFlags(rawValue: reply.flags).contains(.routed))
        #expect(provider.take(.cancel).map(\.call) == [short])
        #expect(caller.answer(to: long) == nil)
        await stage.advance(seconds: 60)
        #expect(stage.hub.statistics.openCalls == 1 && stage.hub.statistics.expiredCalls == 2)
        #expect(caller.answer(to: long)?.error?.code == .deadlineExceeded)
        // A call that may take for ever ends with a session.
        await stage.advance(seconds: 1_000_000)
        #expect(stage.hub.statistics.openCalls == 1)
        provider.close()
        #expect(caller.answer(to: forever)?.error?.code == .disconnected)
        #expect(stage.hub.statistics.openCalls == 0 && stage.hub.statistics.expiredCalls == 2)
    }

    @Test func theCallersShareIsFreeAgain() async throws {
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock))) { $0.limits.callsPerSession = 10 }
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("silent")
        try caller.resolve("silent", route: 1)
        for round in 1...3 {
            let calls = (0..<12).map { _ in caller.call(.route(1), remaining: 1_000) }
            #expect(calls.compactMap { caller.answer(to: $0)?.error?.code } == [.overloaded, .overloaded])
            await clock.advance(by: 30_000_000_000)
            #expect(
                calls.compactMap { caller.answer(to: $0)?.error?.code } == [TelekinesisError.Code](repeating: .deadlineExceeded, count: 10))
            #expect(hub.statistics.openCalls == 0 && hub.statistics.expiredCalls == UInt64(10 * round))
        }
    }

    @Test func aCallIsNotForgottenBeforeItsTimeHoweverBusyTheSessionIs() async throws {
        let stage = try await Stage()
        let (provider, caller) = (stage.provider, stage.caller)
        // Made at all distances from the last look.
        var calls: [CallID] = []
        for _ in 0..<40 {
            calls.append(caller.call(.route(1), remaining: 20_000))
            await stage.clock.advance(by: 500_000_000)
        }
        await stage.advance(seconds: 10)
        #expect(calls.allSatisfy { caller.answer(to: $0) == nil })
        for call in provider.take(.call) { provider.reply(to: call) }
        #expect(calls.allSatisfy { caller.answer(to: $0)?.error == nil })
        #expect(stage.hub.statistics.openCalls == 0 && stage.hub.statistics.expiredCalls == 0)
    }

    @Test func aCallThatHasWaitedIsForgottenAsWell() async throws {
        let stage = try await Stage()
        let (provider, caller) = (stage.provider, stage.caller)
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 2, wait: true))
        let call = caller.call(.route(2), flags: .mayWait, remaining: 10_000)
        await stage.advance(seconds: 8)
        try provider.publish("later")
        #expect(provider.take(.call).map(\.call) == [call])
        await stage.advance(seconds: 10)
        #expect(stage.hub.statistics.openCalls == 1)
        await stage.advance(seconds: 15)
        #expect(stage.hub.statistics.openCalls == 0 && caller.answer(to: call)?.error?.code == .deadlineExceeded)
    }
}
