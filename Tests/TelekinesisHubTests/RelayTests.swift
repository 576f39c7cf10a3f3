import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

@Suite struct ReferenceTests {
    @Test func callOnAReferenceGoesStraightAndTheSourceIsTheHubsWord() async throws {
        let hub = try await startHub()
        let (owner, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let key = ActorKey.random()
        let id = caller.call(.key(key), at: owner.id)
        let heard = owner.take()
        #expect(heard.map(\.type) == [.peer, .call] && heard.allSatisfy { $0.peer == caller.id })
        #expect(heard.last?.key == key && heard.last?.call == id)
        owner.reply(to: try #require(heard.last))
        #expect(caller.take(.reply).map(\.peer) == [owner.id])
        #expect(hub.statistics.openCalls == 0 && hub.statistics.peers == 2)
    }

    @Test func unknownNodeIsAnsweredInItsName() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let nowhere = NodeID.random()
        let reply = caller.answer(to: caller.call(.key(.random()), at: nowhere))
        #expect(reply?.peer == nowhere && reply?.error?.code == .disconnected && reply?.error?.ran == .no)
        let unknown = caller.answer(to: caller.call(.key(.random())))
        #expect(unknown?.error?.code == .noSuchObject && unknown?.error?.ran == .no)
    }

    @Test func whoeverGuessesTooOftenHasToGo() async throws {
        let hub = try await startHub { $0.limits.guesses = Rate(perSecond: 0.001, burst: 5) }
        let (caller, other) = (try SimulatedNode(hub), try SimulatedNode(hub))
        for _ in 0..<5 { caller.call(.key(.random()), at: .random()) }
        #expect(caller.end == nil && caller.take(.reply).count == 5)
        caller.call(.key(.random()), at: .random())
        #expect(caller.end?.code == .overloaded && other.end == nil)
        #expect(hub.statistics.sessions == 1)
    }

    @Test func aSessionsEndIsHeardByItsPeersOnly() async throws {
        let hub = try await startHub()
        let (owner, caller, stranger) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        caller.call(.key(.random()), at: owner.id)
        let gone = owner.id
        owner.close()
        #expect(caller.take(.gone).map(\.peer) == [gone])
        #expect(stranger.take().isEmpty)
        #expect(hub.statistics.peers == 0 && hub.statistics.sessions == 2)
    }

    @Test func routedCallsAtALostProviderAreAnsweredByTheHub() async throws {
        let hub = try await startHub()
        let (provider, other, caller) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let ids = (0..<3).map { _ in caller.call(.route(1)) }
        try other.publish("a")
        provider.close()
        let heard = caller.take()
        #expect(Set(heard.filter { $0.type == .reply }.map(\.call)) == Set(ids))
        #expect(heard.compactMap(\.error).allSatisfy { $0.code == .disconnected && $0.ran == .maybe })
        #expect(heard.last?.type == .gone)
        caller.call(.route(1))
        #expect(other.take(.call).count == 1)
        #expect(hub.statistics.openCalls == 1)
    }

    @Test func callsOfALostCallerAreCancelled() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1))
        let gone = caller.id
        let call = try #require(provider.take(.call).first)
        caller.close()
        let heard = provider.take()
        #expect(heard.map(\.type) == [.cancel, .gone] && heard.allSatisfy { $0.peer == gone } && heard[0].call == id)
        provider.reply(to: call)
        #expect(provider.end == nil && hub.statistics.lateFrames == 1)
        #expect(hub.statistics.openCalls == 0 && hub.statistics.routes == 0)
    }

    @Test func sharedReferenceMakesOwnerAndHolderAPair() async throws {
        let hub = try await startHub()
        let (owner, giver, holder) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        let key = ActorKey.random()
        giver.send(Self.share(key, of: owner.id, with: holder.id))
        let heard = owner.take()
        #expect(heard.first { $0.type == .share }?.peer == giver.id)
        #expect(Set(heard.filter { $0.type == .peer }.map(\.peer)) == [giver.id, holder.id])
        let gone = holder.id
        holder.close()
        #expect(owner.take(.gone).map(\.peer) == [gone])
    }

    @Test func referenceSharedWithANodeThatHasGoneIsReportedToItsOwner() async throws {
        let hub = try await startHub()
        let (owner, giver) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let nobody = NodeID.random()
        giver.send(Self.share(.random(), of: owner.id, with: nobody))
        #expect(owner.take().map(\.type) == [.peer, .share, .gone])
    }

    @Test func releaseIsHandedToTheOwner() async throws {
        let hub = try await startHub()
        let (owner, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let key = ActorKey.random()
        caller.call(.key(key), at: owner.id)
        caller.send(FrameWriter.release(key, of: owner.id, count: .max))
        #expect(owner.take(.release).map(\.key) == [key])
        // Of one that is not there any more, or never was, the caller hears that.
        let nobody = NodeID.random()
        caller.send(FrameWriter.release(key, of: nobody, count: 1))
        #expect(caller.take(.gone).map(\.peer) == [nobody] && caller.end == nil)
    }

    @Test func acquaintancesAreBounded() async throws {
        let hub = try await startHub { $0.limits.peersPerSession = 2 }
        let caller = try SimulatedNode(hub)
        let owners = try (0..<3).map { _ in try SimulatedNode(hub) }
        for owner in owners { caller.call(.key(.random()), at: owner.id, id: owner.id.rawValue) }
        let refused = caller.take(.reply)
        #expect(refused.compactMap(\.error).map(\.code) == [.overloaded])
        #expect(owners[2].take().isEmpty && hub.statistics.peers == 4)
    }

    @Test func aNodeMayCallItself() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        let key = try node.publish("self")
        try node.resolve("self", route: 1)
        node.call(.route(1))
        let call = try #require(node.take(.call).first)
        #expect(call.key == key && call.peer == node.id)
        node.reply(to: call)
        #expect(node.take(.reply).count == 1)
        node.close()
        #expect(hub.statistics == HubStatistics())
    }

    private static func share(_ key: ActorKey, of owner: NodeID, with holder: NodeID) -> [UInt8] {
        var frame = FrameWriter.release(key, of: owner, count: 0)
        frame[4] = FrameType.share.rawValue
        frame.withUnsafeMutableBytes { $0.storeBytes(of: holder.rawValue.littleEndian, toByteOffset: 40, as: UInt64.self) }
        return frame
    }
}

@Suite struct CreditTests {
    @Test func creditIsHandedOnAndWhatNobodyCouldWantEndsItsSendersSession() async throws {
        let hub = try await startHub()
        let (source, reader) = (try SimulatedNode(hub), try SimulatedNode(hub))
        reader.call(.key(.random()), at: source.id, remaining: .max)
        _ = source.take()
        let most = UInt32(StreamOutflow.maximumCredit)
        for (channel, amount) in [(Channel.stream, 0), (Channel.stream, most), (Channel.value, .max)] as [(UInt32, UInt32)] {
            reader.send(FrameWriter.credit(flags: .towardsCaller, peer: source.id, call: 1, channel: channel, amount: amount))
            #expect(source.take(.credit).count == 1)
        }
        for amount in [most + 1, .max] {
            let greedy = try SimulatedNode(hub)
            greedy.call(.key(.random()), at: source.id, remaining: .max)
            greedy.send(FrameWriter.credit(flags: .towardsCaller, peer: source.id, call: 1, channel: Channel.stream, amount: amount))
            #expect(greedy.end?.code == .protocolViolation && greedy.end?.message.contains("credit") == true)
            #expect(source.take(.credit).isEmpty)
        }
        #expect(source.end == nil && reader.end == nil)
    }
}

@Suite struct CancellationTests {
    @Test func cancelFindsTheProvider() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1))
        caller.send(FrameWriter.frame(.cancel, call: id))
        #expect(provider.take(.cancel).map(\.call) == [id])
    }

    @Test func cancelOfACallThatIsLeavingItsQueueFollowsIt() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let caller = try SimulatedNode(hub)
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        let id = caller.call(.route(1), flags: [.mayWait, .more])
        // The provider is just being told of the caller: the call has left the queue, but not the hub.
        link.beforeEach { type in
            guard type == .peer else { return }
            for _ in 0..<2 { caller.send(FrameWriter.frame(.cancel, call: id)) }
            caller.send(FrameWriter.data(flags: .last, peer: .hub, call: id, bytes: [1]), lane: .bulk)
        }
        try provider.publish("later")
        let heard = provider.take().filter { $0.type != .reply }
        #expect(heard.map(\.type) == [.peer, .call, .cancel, .data])
        #expect(heard.allSatisfy { $0.peer == caller.id } && heard.dropFirst().allSatisfy { $0.call == id })
        #expect(caller.answer(to: id) == nil && hub.statistics.openCalls == 1)
        provider.reply(to: heard[1])
        #expect(caller.answer(to: id)?.error == nil && hub.statistics.openCalls == 0)
    }

    @Test func aCancelledCallWhoseProviderGoesAsItLeavesDoesNotWaitAgain() async throws {
        let hub = try await startHub()
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        let (caller, next) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("later"), route: 1, wait: true))
        let keys = (0..<2).map { _ in ActorKey.random() }
        let ids = keys.map { caller.call(.route(1), flags: [.mayWait, .resultKey], body: CreationTests.bytes($0)) }
        link.beforeEach { type in
            guard type == .peer else { return }
            caller.send(FrameWriter.frame(.cancel, call: ids[0]))
            link.close(TelekinesisError(.disconnected, "the test cuts the connection"))
        }
        _ = try? provider.publish("later")
        let error = caller.answer(to: ids[0])?.error
        #expect(error?.code == .cancelled && error?.ran == .no)
        // The other one waits for the next provider.
        #expect(hub.statistics.waitingCalls == 1 && hub.statistics.created == 1)
        try next.publish("later")
        #expect(next.take(.call).map(\.call) == [ids[1]])
        caller.close()
        #expect(hub.statistics.openCalls == 0 && hub.statistics.created == 0)
    }

    @Test func cancelOfNothingHarmsNobody() async throws {
        let hub = try await startHub()
        let (caller, other) = (try SimulatedNode(hub), try SimulatedNode(hub))
        caller.send(FrameWriter.frame(.cancel, call: 99))
        caller.send(FrameWriter.frame(.cancel, peer: other.id, call: 99))
        #expect(caller.end == nil && other.take().isEmpty)
    }

    @Test func cancelFloodsEnd() async throws {
        let hub = try await startHub { $0.limits.cancels = Rate(perSecond: 0.001, burst: 100) }
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        provider.answerAll()
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        for _ in 0..<1_000 where caller.end == nil { caller.send(FrameWriter.frame(.cancel, call: caller.call(.route(1)))) }
        #expect(caller.end?.code == .overloaded && provider.end == nil)
        #expect(provider.take(.cancel).isEmpty)
        #expect(hub.statistics.openCalls == 0)
    }
}
