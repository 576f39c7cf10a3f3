import Synchronization
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

@Suite struct RoutedCallTests {
    @Test func callByNameReachesTheObjectAndItsAnswerComesBack() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let key = try provider.publish("demo/counter")
        try caller.resolve("demo/counter", route: 7)
        let id = caller.call(.route(7), body: [1, 2, 3])

        let heard = provider.take()
        #expect(heard.map(\.type) == [.peer, .call])
        let call = try #require(heard.last)
        #expect(call.peer == caller.id && call.call == id && call.key == key && call.body == [1, 2, 3])
        #expect(!CallFlags(rawValue: call.flags).contains(.route))
        #expect(hub.statistics.openCalls == 1)

        provider.reply(to: call, body: [42])
        let answers = caller.take()
        #expect(answers.map(\.type) == [.peer, .reply])
        #expect(answers.last?.peer == provider.id && answers.last?.call == id && answers.last?.body == [42])
        #expect(hub.statistics.openCalls == 0)
    }

    @Test func nodesAreIntroducedOnce() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        provider.answerAll()
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        for _ in 0..<5 { caller.call(.route(1)) }
        #expect(provider.take().filter { $0.type == .peer }.count == 1)
        #expect(caller.take().filter { $0.type == .peer }.count == 1)
    }

    @Test func callsGoToTheLeastBusyProvider() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let providers = try (0..<3).map { _ in try SimulatedNode(hub) }
        for provider in providers { try provider.publish("work") }
        try caller.resolve("work", route: 1)
        for _ in 0..<9 { caller.call(.route(1)) }
        let calls = providers.map { $0.take(.call) }
        #expect(calls.map(\.count) == [3, 3, 3])

        // One that has answered has room for what the others have not.
        for call in calls[1] { providers[1].reply(to: call) }
        for _ in 0..<3 { caller.call(.route(1)) }
        #expect(providers.map { $0.take(.call).count } == [0, 3, 0])
    }

    @Test func idleProvidersTakeTurns() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let providers = try (0..<2).map { _ in try SimulatedNode(hub) }
        for provider in providers {
            provider.answerAll()
            try provider.publish("work")
        }
        try caller.resolve("work", route: 1)
        for _ in 0..<10 { caller.call(.route(1)) }
        #expect(providers.map { $0.take(.call).count } == [5, 5])
    }

    @Test func providersTakeTurnsWhateverTheyHaveToDoWhenTheNameSaysSo() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let providers = try (0..<2).map { _ in try SimulatedNode(hub) }
        providers[0].answerAll()
        for provider in providers { try provider.publish("work", balancing: .roundRobin) }
        try caller.resolve("work", route: 1)
        for _ in 0..<10 { caller.call(.route(1)) }
        #expect(providers.map { $0.take(.call).count } == [5, 5])
        // What the latest publication says holds.
        try providers[1].withdraw("work")
        try providers[1].publish("work")
        for _ in 0..<10 { caller.call(.route(1)) }
        #expect(providers[1].take(.call).count == 1)
    }

    @Test func callsStickToAProviderByTheKeyOfTheirRoute() async throws {
        let hub = try await startHub()
        let callers = try (0..<2).map { _ in try SimulatedNode(hub) }
        let providers = try (0..<3).map { _ in try SimulatedNode(hub) }
        for provider in providers { try provider.publish("work") }
        for caller in callers {
            for key in 1...30 as ClosedRange<UInt32> { try caller.resolve("work", route: key, sticky: UInt64(key)) }
            // The handle of a key is that key's alone.
            #expect(throws: TelekinesisError.self) { try caller.resolve("work", route: 1, sticky: 2) }
        }
        // Both callers' calls of one key meet at one provider: each of them has an even number of calls for each body.
        for key in 1...30 as ClosedRange<UInt32> {
            for caller in callers { caller.call(.route(key), body: [UInt8(key)]) }
        }
        let keys = providers.map { Set($0.take(.call).map { $0.body[0] }) }
        #expect(keys.allSatisfy { $0.count >= 3 } && keys.reduce(0) { $0 + $1.count } == 30)
    }

    @Test func callWithoutProviderFailsAtOnceAndDidNotRun() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        try provider.withdraw("a")
        let error = caller.answer(to: caller.call(.route(1)))?.error
        #expect(error?.code == .noProvider && error?.ran == .no)
    }

    @Test func callsThatFollowAFailedResolveAreAnswered() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        #expect(throws: TelekinesisError.self) { try caller.resolve("nothing", route: 1) }
        let error = caller.answer(to: caller.call(.route(1)))?.error
        #expect(error?.code == .noSuchName && error?.ran == .no)
    }

    @Test func handleGoesOnWorkingWhenTheProviderComesBack() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let first = try SimulatedNode(hub)
        try first.publish("a", .exclusive)
        try caller.resolve("a", route: 1)
        first.close()
        let second = try SimulatedNode(hub)
        let key = try second.publish("a", .exclusive)
        caller.call(.route(1))
        #expect(second.take(.call).map(\.key) == [key])
    }

    @Test func unknownHandleIsAnswered() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let error = caller.answer(to: caller.call(.route(99)))?.error
        #expect(error?.code == .noSuchName && error?.ran == .no)
    }

    @Test func onlyTheProviderCanAnswer() async throws {
        let hub = try await startHub()
        let (provider, caller, stranger) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1))
        // The stranger knows the caller, and guesses the number of the call.
        caller.call(.key(.random()), at: stranger.id)
        stranger.send(FrameWriter.frame(.reply, peer: caller.id, call: id, body: [66]))
        #expect(caller.take(.reply).isEmpty)
        let late = hub.statistics.lateFrames
        #expect(late == 1)
        let call = try #require(provider.take(.call).first)
        provider.reply(to: call)
        let replies = caller.take(.reply)
        #expect(replies.map(\.body) == [[9]] && ReplyFlags(rawValue: replies[0].flags).contains(.routed))
        // A guess that comes before the call, or after its answer, does not pass for an answer from where the hub sent the call.
        stranger.send(FrameWriter.frame(.reply, flags: ReplyFlags.routed.rawValue, peer: caller.id, call: id + 1, body: [66]))
        #expect(caller.take(.reply).map { ReplyFlags(rawValue: $0.flags).contains(.routed) } == [false])
        // Twice is late, not a violation; the node that called knows what to do with it.
        provider.reply(to: call)
        #expect(provider.end == nil)
    }

    @Test func callIdInUseEndsTheSession() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        caller.call(.route(1), id: 5)
        caller.call(.route(1), id: 5)
        #expect(caller.end?.code == .protocolViolation)
        #expect(provider.end == nil)
    }

    @Test func tooManyCallsInFlightAreRefused() async throws {
        let hub = try await startHub { $0.limits.callsPerSession = 3 }
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let ids = (0..<4).map { _ in caller.call(.route(1)) }
        #expect(caller.answer(to: ids[3])?.error?.code == .overloaded)
        // A cancelled call counts until it is answered.
        caller.send(FrameWriter.frame(.cancel, call: ids[0]))
        #expect(caller.answer(to: caller.call(.route(1)))?.error?.code == .overloaded)
        let heard = provider.take()
        #expect(heard.filter { $0.type == .cancel }.map(\.call) == [ids[0]])
        provider.reply(to: try #require(heard.first { $0.call == ids[0] && $0.type == .call }))
        caller.call(.route(1))
        #expect(provider.take(.call).count == 1)
    }
}

@Suite struct LargeValueTests {
    @Test func argumentsAndResultsFollowTheirCall() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        let id = caller.call(.route(1), flags: .more)
        caller.send(FrameWriter.data(flags: [], peer: .hub, call: id, bytes: [1, 2]), lane: .bulk)
        caller.send(FrameWriter.data(flags: .last, peer: .hub, call: id, bytes: [3]), lane: .bulk)
        let heard = provider.take().filter { $0.type != .peer }
        #expect(heard.map(\.type) == [.call, .data, .data])
        #expect(heard.allSatisfy { $0.peer == caller.id && $0.call == id })

        // Credit finds its way although the caller does not know the provider; so does a cancellation between the parts of the result.
        provider.send(FrameWriter.credit(flags: [], peer: caller.id, call: id, amount: 5))
        provider.reply(to: heard[0], flags: .more)
        provider.send(FrameWriter.data(flags: .towardsCaller, peer: caller.id, call: id, bytes: [4]), lane: .bulk)
        #expect(hub.statistics.openCalls == 1)
        caller.send(FrameWriter.credit(flags: .towardsCaller, peer: .hub, call: id, amount: 5))
        provider.send(FrameWriter.data(flags: [.towardsCaller, .last], peer: caller.id, call: id, bytes: [5]), lane: .bulk)
        #expect(caller.take().map(\.type) == [.peer, .credit, .reply, .data, .data])
        #expect(provider.take().map(\.type) == [.credit])
        #expect(hub.statistics.openCalls == 0)
    }

    @Test func dataOfNoCallIsCountedAndDropped() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        caller.send(FrameWriter.data(flags: .last, peer: .hub, call: 77, bytes: [1]), lane: .bulk)
        caller.send(FrameWriter.data(flags: .last, peer: .random(), call: 77, bytes: [1]), lane: .bulk)
        #expect(hub.statistics.lateFrames == 2 && caller.end == nil)
    }
}

@Suite struct CreationTests {
    @Test func callsToAnObjectInTheMakingFindItsProvider() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let providers = try (0..<2).map { _ in try SimulatedNode(hub) }
        for provider in providers { try provider.publish("Class", kind: .class) }
        try caller.resolve("Class", route: 1)
        let key = ActorKey.random()
        caller.call(.route(1), flags: .resultKey, body: Self.bytes(key) + [1])
        let maker = try #require(providers.first { !$0.take(.call).isEmpty })
        for _ in 0..<5 { caller.call(.key(key)) }
        #expect(maker.take(.call).map(\.key) == Array(repeating: key, count: 5))

        caller.send(FrameWriter.forget(key))
        #expect(hub.statistics.created == 0)
        let error = caller.answer(to: caller.call(.key(key)))?.error
        #expect(error?.code == .noSuchObject && error?.ran == .no)
    }

    @Test func aChainOfResultsWaitsForAProviderInOrder() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        try provider.withdraw("a")
        let keys = (0..<2).map { _ in ActorKey.random() }
        let ids = [
            caller.call(.route(1), flags: [.resultKey, .mayWait], body: Self.bytes(keys[0])),
            caller.call(.key(keys[0]), flags: .resultKey, body: Self.bytes(keys[1])),
            caller.call(.key(keys[1])),
        ]
        #expect(hub.statistics.waitingCalls == 3 && hub.statistics.created == 2)
        let key = try provider.publish("a")
        let heard = provider.take(.call)
        #expect(heard.map(\.call) == ids && heard.map(\.key) == [key] + keys)
    }

    @Test func nothingPassesACreationThatIsLeavingOnAnotherThread() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        let first = try SimulatedNode(hub)
        try first.publish("a", .shared)
        try caller.resolve("a", route: 1)
        try first.withdraw("a")
        let key = ActorKey.random()
        let waiting = [caller.call(.route(1), flags: [.resultKey, .mayWait], body: Self.bytes(key)), caller.call(.key(key))]
        let (provider, link) = try SimulatedNode.narrow(at: hub)
        // Calls come, elsewhere it seems, just before the creation arrives, and just before the call that had waited does.
        let left = Atomic<Int>(2)
        let later = Mutex<[CallID]>([])
        link.beforeEach { type in
            guard type == .call, left.subtract(1, ordering: .relaxed).oldValue > 0 else { return }
            let id = caller.call(.key(key))
            later.withLock { $0.append(id) }
        }
        try provider.publish("a", .shared)
        await hub.settle()
        link.beforeEach(nil)
        #expect(provider.take(.call).map(\.call) == waiting + later.withLock { $0 })
        #expect(later.withLock { $0.count } == 2 && hub.statistics.waitingCalls == 0)
    }

    @Test func aChainOfResultsThatNobodyTakesIsForgotten() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("a")
        try caller.resolve("a", route: 1)
        try provider.withdraw("a")
        let keys = (0..<2).map { _ in ActorKey.random() }
        let first = caller.call(.route(1), flags: [.resultKey, .mayWait], body: Self.bytes(keys[0]))
        let second = caller.call(.key(keys[0]), flags: .resultKey, body: Self.bytes(keys[1]))
        caller.send(FrameWriter.frame(.cancel, call: first))
        #expect(caller.answer(to: first)?.error?.code == .cancelled)
        try provider.publish("a")
        await hub.settle()
        #expect(caller.answer(to: second)?.error?.code == .noSuchObject)
        #expect(provider.take(.call).isEmpty && hub.statistics.created == 0 && hub.statistics.openCalls == 0)
    }

    @Test func keyInUseIsRefused() async throws {
        let hub = try await startHub { $0.limits.createdPerSession = 2 }
        let (provider, caller) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("Class", kind: .class)
        try caller.resolve("Class", route: 1)
        let keys = (0..<3).map { _ in ActorKey.random() }
        func create(_ key: ActorKey) -> TelekinesisError? {
            caller.answer(to: caller.call(.route(1), flags: .resultKey, body: Self.bytes(key)))?.error
        }
        #expect(create(keys[0]) == nil && create(keys[1]) == nil)
        #expect(create(keys[0])?.code == .invalidUse)
        #expect(create(keys[2])?.code == .overloaded)
    }

    @Test func creationWithoutKeyEndsTheSession() async throws {
        let hub = try await startHub()
        let caller = try SimulatedNode(hub)
        caller.call(.route(1), flags: .resultKey, body: [1, 2])
        #expect(caller.end?.code == .protocolViolation)
    }

    static func bytes(_ key: ActorKey) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 16)
        bytes.withUnsafeMutableBytes { key.store(in: $0, at: 0) }
        return bytes
    }
}
