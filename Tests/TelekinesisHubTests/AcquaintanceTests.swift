import MessagePack
import Reactor
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Introductions and farewells, above all of nodes that come back.
@Suite struct AcquaintanceTests {
    /// A provider that knows so many that its farewell takes several turns of the loop, of which there is none before the clock is moved.
    private struct Stage {
        let clock = VirtualClock()
        let hub: Hub
        let provider: SimulatedNode
        let callers: [SimulatedNode]
        /// A call of each caller that the provider does not answer.
        let open: [CallID]
        private let ticket: [UInt8]

        init() async throws {
            hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock)))
            provider = try SimulatedNode(hub)
            ticket = try #require(provider.welcome?.ticket)
            try provider.publish("p")
            callers = try (0..<1_200).map { [hub] _ in try SimulatedNode(hub) }
            for caller in callers { try caller.resolve("p", route: 1) }
            open = callers.map { $0.call(.route(1)) }
            for call in provider.take(.call) { provider.reply(to: call, flags: .more) }
            for caller in callers { _ = caller.take() }
        }

        func comeBack() throws -> SimulatedNode {
            let again = try SimulatedNode(hub, ticket: ticket)
            #expect(again.id == provider.id && provider.end != nil)
            return again
        }
    }

    @Test func callsAtANodeThatHasComeBackAreAnsweredWhateverWasNotSaidOfItsEnd() async throws {
        let stage = try await Stage()
        let again = try stage.comeBack()
        again.answerAll()
        try again.publish("p")
        for (caller, old) in zip(stage.callers, stage.open) {
            let new = caller.call(.route(1))
            #expect(caller.answer(to: new).map { $0.error == nil } == true)
            let end = caller.answer(to: old)?.error
            #expect(end?.code == .disconnected && end?.ran == .maybe)
            // What was has ended before what is begins.
            let heard = caller.take()
            #expect(heard.map(\.type) == [.gone, .peer] && heard[0].call < heard[1].call)
        }
        #expect(again.take(.peer).count == stage.callers.count)
        await stage.clock.advance(by: 0)
        #expect(stage.callers.allSatisfy { $0.take().isEmpty })
        #expect(stage.hub.statistics.openCalls == 0 && stage.hub.statistics.peers == 2 * stage.callers.count)
    }

    @Test func aNodeThatHasComeBackAndSpeaksFirstMakesNobodyForgetItsEnd() async throws {
        let stage = try await Stage()
        let again = try stage.comeBack()
        for (caller, old) in zip(stage.callers, stage.open) {
            again.call(.key(.random()), at: caller.id)
            // A thousand have heard of the end before; the others hear of it now.
            let heard = caller.take()
            #expect(heard.map(\.type) == [.reply, .gone, .peer, .call])
            #expect(heard[0].call == old && heard[0].error?.code == .disconnected)
            #expect(heard[1].call < heard[2].call)
        }
        await stage.clock.advance(by: 0)
        #expect(stage.callers.allSatisfy { $0.take().isEmpty })
        #expect(stage.hub.statistics.openCalls == 0)
    }

    @Test func everyoneHearsOfAnEnd() async throws {
        let stage = try await Stage()
        _ = try stage.comeBack()
        await stage.clock.advance(by: 0)
        for caller in stage.callers { #expect(caller.take().map(\.type) == [.reply, .gone]) }
        #expect(stage.hub.statistics.openCalls == 0 && stage.hub.statistics.peers == 0)
    }

    @Test func aCallerThatHasComeBackIsAnotherOneToItsProvider() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("p")
        var node = caller
        var last: CallID = 0
        for _ in 0..<3 {
            try node.resolve("p", route: 1)
            node.call(.route(1))
            let heard = provider.take()
            #expect(heard.suffix(2).map(\.type) == [.peer, .call])
            let number = try #require(heard.first { $0.type == .peer }?.call)
            #expect(number > last)
            last = number
            node = try SimulatedNode(hub, ticket: try #require(node.welcome?.ticket))
            #expect(provider.take(.gone).map(\.call) == [number])
        }
    }

    @Test func aCallThatPassesItsCallersFarewellIsFollowedByAnother() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        let key = try provider.publish("p")
        try caller.resolve("p", route: 1)
        let targets: [(CallAddress, NodeID)] = [(.route(1), .hub), (.key(key), provider.id)]
        for (target, peer) in targets {
            let node = try SimulatedNode(hub)
            try node.resolve("p", route: 1)
            node.call(target, at: peer)
            _ = provider.take()
            // The session ends on another thread, while this one is about to send.
            let session = try #require(hub.board.session(of: node.id))
            link.beforeEach { if $0 == .call { session.finish(TelekinesisError(.disconnected, "the test ends the session")) } }
            node.call(target, at: peer)
            link.beforeEach(nil)
            let heard = provider.take().filter { $0.type != .cancel }
            #expect(heard.map(\.type) == [.gone, .call, .gone] && heard.allSatisfy { $0.peer == node.id })
            #expect(heard[0].call == heard[2].call)
        }
    }

    @Test func nobodyIsToldThatTheHubHasGone() async throws {
        let hub = try await startHub()
        let (giver, owner) = (try SimulatedNode(hub), try SimulatedNode(hub))
        giver.send(FrameWriter.share(.random(), of: owner.id, with: .hub))
        #expect(owner.take().isEmpty && owner.end == nil && giver.end?.code == .protocolViolation)
    }
}
