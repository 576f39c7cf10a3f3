import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// One destination that does not read must stall nobody else, and cost no more than its share.
@Suite struct OverloadTests {
    @Test func callsToAFullProviderAreRefusedAndDidNotRun() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        let key = try provider.publish("a")
        try caller.resolve("a", route: 1)
        caller.call(.key(key), at: provider.id)
        #expect(provider.take(.call).count == 1)
        link.limitIs(QueueLimit.calls)
        let routed = caller.answer(to: caller.call(.route(1)))?.error
        #expect(routed?.code == .overloaded && routed?.ran == .no)
        let direct = caller.answer(to: caller.call(.key(key), at: provider.id))
        #expect(direct?.error?.code == .overloaded && direct?.peer == provider.id)
        #expect(hub.statistics.openCalls == 0)
        // Other words still pass; and calls do when there is room again.
        caller.send(FrameWriter.release(key, of: provider.id, count: 1))
        #expect(provider.take(.release).count == 1)
        link.limitIs(nil)
        caller.call(.route(1))
        #expect(provider.take(.call).count == 1)
    }

    @Test func whoeverDoesNotReadRepliesHasToGo() async throws {
        let hub = try await startHub()
        let provider = try SimulatedNode(hub)
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        caller.call(.route(1))
        let call = try #require(provider.take(.call).first)
        link.limitIs(QueueLimit.replies)
        provider.reply(to: call)
        #expect(link.closed?.code == .overloaded && link.closed?.message.contains("slow reader") == true)
        #expect(provider.end == nil && provider.take(.gone).count == 1)
        #expect(hub.statistics.sessions == 1 && hub.statistics.peers == 0)
    }

    @Test func argumentsThatDoNotFitFailTheirCall() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1), flags: .more)
        link.limitIs(QueueLimit.calls)
        caller.send(FrameWriter.data(flags: .last, peer: .hub, call: id, bytes: [1]), lane: .bulk)
        let error = caller.answer(to: id)?.error
        #expect(error?.code == .overloaded && error?.ran == .no)
        #expect(provider.take(.cancel).map(\.call) == [id])
        #expect(hub.statistics.openCalls == 0)
    }

    @Test func resultThatDoesNotFitFailsItsCall() async throws {
        let hub = try await startHub()
        let provider = try SimulatedNode(hub)
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1))
        let call = try #require(provider.take(.call).first)
        provider.reply(to: call, flags: .more)
        link.limitIs(QueueLimit.calls)
        provider.send(FrameWriter.data(flags: .towardsCaller, peer: caller.id, call: id, bytes: [1]), lane: .bulk)
        let answers = caller.take(.reply)
        #expect(answers.last?.error?.code == .overloaded && answers.last?.error?.ran == .yes)
        #expect(answers.last.map { ReplyFlags(rawValue: $0.flags).contains(.routed) } == true)
        #expect(provider.take(.cancel).map(\.peer) == [caller.id])
        #expect(hub.statistics.openCalls == 0 && caller.end == nil)
    }

    @Test func elementsThatDoNotFitEndTheirStreamAndNothingElse() async throws {
        let hub = try await startHub()
        let provider = try SimulatedNode(hub)
        let (reader, link) = try SimulatedNode.narrow(at: hub)
        let other = try SimulatedNode(hub)
        // Both have opened streams by reference.
        let (slow, quick) = (reader.call(.key(.random()), at: provider.id), other.call(.key(.random()), at: provider.id))
        #expect(provider.take(.call).count == 2)
        link.limitIs(QueueLimit.calls)
        for _ in 0..<3 {
            for (node, call) in [(reader, slow), (other, quick)] {
                let element = FrameWriter.data(flags: .towardsCaller, peer: node.id, call: call, channel: Channel.stream, bytes: [1])
                provider.send(element, lane: .bulk)
            }
        }
        #expect(reader.take(.reply).first?.error?.code == .overloaded)
        #expect(Set(provider.take(.cancel).map(\.peer)) == [reader.id])
        #expect(other.take(.data).count == 3 && reader.end == nil && provider.end == nil)
    }

    @Test func theHubsOwnAnswersAreNotLostEither() async throws {
        let hub = try await startHub()
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        link.limitIs(QueueLimit.replies)
        caller.call(.route(1))
        #expect(link.closed?.message.contains("slow reader") == true)
        #expect(hub.statistics.sessions == 0)
    }

    @Test func dataOfAStrangerEndsNobodysCall() async throws {
        let hub = try await startHub()
        let (provider, stranger) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1))
        let call = try #require(provider.take(.call).first)
        // The two have met.
        stranger.call(.key(.random()), at: caller.id)
        link.limitIs(QueueLimit.calls)
        stranger.send(FrameWriter.data(flags: .towardsCaller, peer: caller.id, call: id, bytes: [1]), lane: .bulk)
        link.limitIs(nil)
        #expect(hub.statistics.openCalls == 1 && caller.take(.reply).isEmpty)
        provider.reply(to: call)
        let reply = try #require(caller.answer(to: id))
        #expect(ReplyFlags(rawValue: reply.flags).contains(.routed))
    }

    @Test func aCallToAnObjectWhoseProviderIsClosingIsAnswered() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        try provider.publish("Class", kind: .class)
        try caller.resolve("Class", route: 1)
        let key = ActorKey.random()
        caller.call(.route(1), flags: .resultKey, body: CreationTests.bytes(key))
        // The link takes nothing more, but its session has not heard of the end yet.
        link.close(TelekinesisError(.protocolViolation, "a frame is cut short"))
        let error = caller.answer(to: caller.call(.key(key)))?.error
        #expect(error?.code == .disconnected && error?.ran == .no)
    }

    @Test func whatOneSaysToAnotherThatDoesNotReadEndsNoSession() async throws {
        let hub = try await startHub()
        let (victim, link) = try SimulatedNode.narrow(at: hub)
        let (stranger, provider) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try victim.resolve("a", route: 1)
        let id = victim.call(.route(1))
        let call = try #require(provider.take(.call).first)
        let sayings: [(NodeID) -> [UInt8]] = [
            { FrameWriter.frame(.reply, peer: $0, call: 1_000_000, body: [1]) },
            { FrameWriter.frame(.reply, flags: ReplyFlags.more.rawValue, peer: $0, call: 1_000_000, body: [1]) },
            { FrameWriter.data(flags: .towardsCaller, peer: $0, call: 1_000_000, bytes: [1]) },
            { FrameWriter.frame(.cancel, peer: $0, call: 7) },
            { FrameWriter.credit(flags: .towardsCaller, peer: $0, call: 7, amount: 1) },
            { FrameWriter.release(.random(), of: $0, count: 1) },
            { FrameWriter.share(.random(), of: $0, with: .random()) },
        ]
        for saying in sayings {
            stranger.call(.key(.random()), at: victim.id)
            let number = try #require(victim.take(.peer).first?.call)
            link.limitIs(QueueLimit.relayed)
            stranger.send(saying(victim.id))
            // For each of the two the other has gone.
            let heard = victim.take(.gone)
            #expect(heard.map(\.peer) == [stranger.id] && heard.map(\.call) == [number])
            #expect(stranger.take(.gone).map(\.peer) == [victim.id])
            // Nor can it begin anew, until there is room.
            let again = stranger.answer(to: stranger.call(.key(.random()), at: victim.id))?.error
            #expect(again?.code == .overloaded && again?.ran == .no && victim.take().isEmpty)
            link.limitIs(nil)
        }
        #expect(link.closed == nil && victim.end == nil && stranger.end == nil)
        // What the victim has to do with others goes on.
        provider.reply(to: call)
        #expect(victim.answer(to: id)?.error == nil && hub.statistics.sessions == 3)
    }

    @Test func nobodyHasMoreThanAShareOfWhatWaitsForAnother() async throws {
        let hub = try await startHub()
        let (victim, link) = try SimulatedNode.narrow(at: hub)
        let (stranger, other) = (try SimulatedNode(hub), try SimulatedNode(hub))
        for node in [stranger, other] { node.call(.key(.random()), at: victim.id) }
        _ = victim.take()
        let body = [UInt8](repeating: 7, count: 60_000)
        func say(_ node: SimulatedNode, _ count: Int) {
            for id in 0..<CallID(count) { node.send(FrameWriter.frame(.reply, peer: victim.id, call: 1_000 + id, body: body)) }
        }
        let share = QueueLimit.share / (body.count + 24)
        link.limitIs(QueueLimit.calls)
        say(stranger, share)
        #expect(victim.take(.reply).count == share)
        // Whoever has had room meanwhile begins anew.
        link.limitIs(nil)
        say(stranger, 1)
        link.limitIs(QueueLimit.calls)
        say(stranger, share)
        #expect(victim.take(.gone).isEmpty)
        say(stranger, 1)
        #expect(victim.take(.gone).map(\.peer) == [stranger.id])
        say(other, share)
        #expect(victim.take(.reply).count == share && link.closed == nil)
    }

    @Test func anAnswerThatDoesNotFitIsReplacedByAShortOne() async throws {
        let hub = try await startHub()
        let provider = try SimulatedNode(hub)
        let (caller, link) = try SimulatedNode.narrow(at: hub)
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let ids = (0..<2).map { _ in caller.call(.route(1)) }
        let calls = provider.take(.call)
        link.limitIs(QueueLimit.relayed)
        provider.reply(to: calls[0])
        // The beginning of a large one: what is not whole is not to go on.
        provider.reply(to: calls[1], flags: .more)
        provider.reply(to: calls[1], flags: .more)
        let answers = caller.take(.reply)
        #expect(answers.map(\.call) == ids)
        for answer in answers {
            // In the provider's name: the call was there, and with it what it has handed over.
            #expect(answer.error?.code == .overloaded && answer.error?.ran == .yes && answer.peer == provider.id)
            #expect(ReplyFlags(rawValue: answer.flags).contains(.routed))
        }
        #expect(provider.take(.cancel).map(\.call) == [ids[1]])
        #expect(link.closed == nil && hub.statistics.openCalls == 0)
    }

    @Test func aCreationThatFindsNoRoomIsForgotten() async throws {
        let hub = try await startHub { $0.limits.peersPerSession = 1 }
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let (caller, other) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("Class", kind: .class)
        for node in [caller, other] { try node.resolve("Class", route: 1) }
        func create(_ node: SimulatedNode) -> TelekinesisError? {
            node.answer(to: node.call(.route(1), flags: .resultKey, body: CreationTests.bytes(.random())))?.error
        }
        // Neither before the two have met nor afterwards.
        link.limitIs(QueueLimit.calls)
        #expect(create(caller)?.code == .overloaded && hub.statistics.created == 0)
        link.limitIs(nil)
        #expect(create(caller) == nil && hub.statistics.created == 1)
        link.limitIs(QueueLimit.calls)
        #expect(create(caller)?.code == .overloaded && hub.statistics.created == 1)
        link.limitIs(nil)
        // Nor where the provider knows too many.
        #expect(create(other)?.code == .overloaded && hub.statistics.created == 1)
    }
}
