import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Introductions and farewells, above all of nodes that come back.
@Suite struct AcquaintanceTests {
    /// A provider, and callers with a call each that it does not answer.
    private struct Stage {
        let hub: Hub
        let provider: SimulatedNode
        let callers: [(node: SimulatedNode, link: NarrowLink)]
        let open: [CallID]

        init() async throws {
            hub = try await startHub()
            provider = try SimulatedNode(hub)
            try provider.publish("p")
            callers = try (0..<4).map { [hub] _ in try SimulatedNode.narrow(at: hub) }
            for (caller, _) in callers { try caller.resolve("p", route: 1) }
            open = callers.map { $0.node.call(.route(1)) }
            for call in provider.take(.call) { provider.reply(to: call, flags: .more) }
            for (caller, _) in callers { _ = caller.take() }
        }

        /// The provider goes. Before the first farewell has been said it is back, as when that takes its time on another thread.
        func comeBack(_ act: @escaping @Sendable (SimulatedNode) throws -> Void) throws {
            let ticket = try #require(provider.welcome?.ticket)
            let isFirst = Mutex(true)
            for (_, link) in callers {
                link.beforeEach { [hub, provider] type in
                    guard type == .gone, isFirst.withLock({ swap(&$0, false) }) else { return }
                    do {
                        let again = try SimulatedNode(hub, ticket: ticket)
                        #expect(again.id == provider.id)
                        try act(again)
                    } catch {
                        Issue.record(error)
                    }
                }
            }
            provider.close()
            #expect(isFirst.withLock { !$0 })
        }
    }

    @Test func callsAtANodeThatHasComeBackAreAnsweredWhateverWasNotSaidOfItsEnd() async throws {
        let stage = try await Stage()
        try stage.comeBack { [callers = stage.callers] again in
            again.answerAll()
            try again.publish("p")
            for (caller, _) in callers {
                let new = caller.call(.route(1))
                #expect(caller.answer(to: new).map { $0.error == nil } == true)
            }
            #expect(again.take(.peer).count == callers.count)
        }
        for ((caller, _), old) in zip(stage.callers, stage.open) {
            let end = caller.answer(to: old)?.error
            #expect(end?.code == .disconnected && end?.ran == .maybe)
            // What was and what is can be told apart, in whatever order the words come.
            let heard = caller.take()
            let (gone, come) = (heard.filter { $0.type == .gone }.map(\.call), heard.filter { $0.type == .peer }.map(\.call))
            #expect(heard.count == 2 && gone.count == 1 && come.count == 1 && gone + come == (gone + come).sorted() && gone != come)
        }
        #expect(stage.hub.statistics.openCalls == 0 && stage.hub.statistics.peers == 2 * stage.callers.count)
    }

    @Test func aNodeThatHasComeBackAndSpeaksFirstMakesNobodyForgetItsEnd() async throws {
        let stage = try await Stage()
        try stage.comeBack { [callers = stage.callers] again in
            for (caller, _) in callers { again.call(.key(.random()), at: caller.id) }
        }
        var crossed = 0
        for ((caller, _), old) in zip(stage.callers, stage.open) {
            #expect(caller.answer(to: old)?.error?.code == .disconnected)
            let types = caller.take().map(\.type)
            if types == [.peer, .call, .gone] { crossed += 1 } else { #expect(types == [.gone, .peer, .call]) }
        }
        // The farewell that was just being said.
        #expect(crossed == 1)
        #expect(stage.hub.statistics.openCalls == 0 && stage.hub.statistics.peers == 2 * stage.callers.count)
    }

    @Test func everyoneHearsOfTheEndOfANodeThatManyKnow() async throws {
        let hub = try await startHub()
        let provider = try SimulatedNode(hub)
        try provider.publish("p")
        let callers = try (0..<1_200).map { _ in try SimulatedNode(hub) }
        for caller in callers {
            try caller.resolve("p", route: 1)
            caller.call(.route(1))
        }
        provider.close()
        // So many farewells may take longer than a few turns of the loop.
        var heard: [[FrameType?]] = Array(repeating: [], count: callers.count)
        for _ in 0..<10_000 {
            await hub.settle()
            for (index, caller) in callers.enumerated() { heard[index] += caller.take().map(\.type) }
            if heard.allSatisfy({ $0.count >= 2 }) { break }
        }
        #expect(heard.allSatisfy { $0 == [.reply, .gone] })
        #expect(hub.statistics.openCalls == 0 && hub.statistics.peers == 0)
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
            #expect(Set(heard.filter { $0.type == .gone }.map(\.call)).count == 1)
            node.close()
        }
    }

    @Test func nobodyIsToldThatTheHubHasGone() async throws {
        let hub = try await startHub()
        let (giver, owner) = (try SimulatedNode(hub), try SimulatedNode(hub))
        giver.send(FrameWriter.share(.random(), of: owner.id, with: .hub))
        #expect(owner.take().isEmpty && owner.end == nil && giver.end?.code == .protocolViolation)
    }
}

/// Puts a value into the place of another.
private func swap(_ place: inout Bool, _ value: Bool) -> Bool {
    defer { place = value }
    return place
}
