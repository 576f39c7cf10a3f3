import MessagePack
import Reactor
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// What the hub tells those who watch, and what they may ask of it.
@Suite(.timeLimit(.minutes(1))) struct WatchTests {
    private func now(_ node: SimulatedNode, _ prefix: String = "", from: String? = nil) throws -> WatchAnswer {
        try node.ask(HubService.watch, WatchRequest(prefix: prefix, from: from))
    }

    private func answer(to call: CallID, of node: SimulatedNode) throws -> WatchAnswer? {
        guard let reply = node.answer(to: call) else { return nil }
        if let error = reply.error { throw error }
        return try MessagePackDecoder().decode(WatchAnswer.self, from: [UInt8](reply.body.dropFirst()))
    }

    private func text(_ names: [WatchedName]) -> [String] { names.map { "\($0.name) \($0.end?.rawValue ?? "served by \($0.providers)")" } }

    @Test func aCallIsAnsweredWhenSomethingHasChanged() async throws {
        let hub = try await startHub()
        let (provider, watcher) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try provider.publish("demo/a")
        let first = try now(watcher, "demo/")
        #expect(text(first.names) == ["demo/a served by 1"] && first.isComplete)
        let call = try watcher.control(HubService.watch, WatchRequest(prefix: "demo/", after: first.number))
        try provider.publish("other/b")
        // A further provider of a name that is served changes nothing for its callers.
        try watcher.publish("demo/a")
        #expect(try answer(to: call, of: watcher) == nil)
        #expect(hub.statistics.watches == 1)
        try provider.publish("demo/b")
        let second = try #require(try answer(to: call, of: watcher))
        #expect(text(second.names) == ["demo/b served by 1"])
        #expect(hub.statistics.watches == 0)
        // What happened since is told at once, once for each name.
        try provider.withdraw("demo/b")
        try provider.publish("demo/b")
        try provider.withdraw("demo/b")
        try provider.publish("demo/c")
        let third: WatchAnswer = try watcher.ask(HubService.watch, WatchRequest(prefix: "demo/", after: second.number))
        #expect(text(third.names) == ["demo/b withdrawn", "demo/c served by 1"])
        let last = try watcher.control(HubService.watch, WatchRequest(name: ServiceName("demo/c"), after: third.number))
        provider.close()
        #expect(text(try #require(try answer(to: last, of: watcher)).names) == ["demo/c gone"])
        await hub.stop()
    }

    @Test func aServiceIsToldFromTheNext() async throws {
        let hub = try await startHub()
        let (one, two) = (try SimulatedNode(hub), try SimulatedNode(hub))
        func number() throws -> UInt64? { try now(one).names.first?.service }
        try one.publish("demo/a")
        try two.publish("demo/a")
        let first = try #require(try number())
        try one.withdraw("demo/a")
        // The other one has gone on serving.
        #expect(try number() == first)
        try two.withdraw("demo/a")
        #expect(try number() == nil)
        try one.publish("demo/a", .exclusive)
        let second = try #require(try number())
        #expect(second != first)
        try two.publish("demo/a", .replace)
        #expect(try number() != second)
        await hub.stop()
    }

    @Test func manyNamesComeInPages() async throws {
        let hub = try await startHub()
        let (provider, watcher) = (try SimulatedNode(hub), try SimulatedNode(hub))
        for number in 1000..<2200 { try provider.publish("n/\(number)") }
        var names: [String] = []
        var last: String?
        repeat {
            let page = try now(watcher, "n/", from: last)
            names += page.names.map(\.name)
            last = page.isComplete ? nil : page.names.last?.name
        } while last != nil
        #expect(names == (1000..<2200).map { "n/\($0)" })
        // More has changed than is remembered, or fits into an answer: all is to be asked for anew.
        let number = try now(watcher, "n/1000").number
        for name in 1000..<1600 { try provider.withdraw("n/\(name)") }
        let answer: WatchAnswer = try watcher.ask(HubService.watch, WatchRequest(prefix: "n/", after: number))
        #expect(!answer.isComplete && answer.names.isEmpty)
        let strange: WatchAnswer = try watcher.ask(HubService.watch, WatchRequest(prefix: "n/", after: 7))
        #expect(!strange.isComplete)
        await hub.stop()
    }

    @Test func aNodeIsWatched() async throws {
        let hub = try await startHub()
        let (one, two) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let there: WatchAnswer = try one.ask(HubService.watch, WatchRequest(node: two.id))
        #expect(there.number != 0)
        let call = try one.control(HubService.watch, WatchRequest(node: two.id, after: there.number))
        #expect(try answer(to: call, of: one) == nil)
        two.close()
        #expect(try answer(to: call, of: one)?.number == 0)
        let stranger: WatchAnswer = try one.ask(HubService.watch, WatchRequest(node: NodeID(rawValue: 77)))
        #expect(stranger.number == 0)
        await hub.stop()
    }

    @Test func nothingIsLeftOfThoseWhoWatchNoMore() async throws {
        let clock = VirtualClock()
        let hub = try await startHub(EventLoopGroup(loops: 1, clock: .virtual(clock)))
        let (provider, watcher) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let number = try now(watcher).number
        let cancelled = try watcher.control(HubService.watch, WatchRequest(prefix: "", after: number), remaining: .max)
        watcher.send(FrameWriter.frame(.cancel, call: cancelled))
        #expect(watcher.answer(to: cancelled)?.error?.code == .cancelled)
        let late = try watcher.control(HubService.watch, WatchRequest(prefix: "", after: number), remaining: 100)
        await clock.advance(by: 99_000_000)
        #expect(watcher.answer(to: late) == nil && hub.statistics.watches == 1)
        await clock.advance(by: 1_000_000)
        #expect(watcher.answer(to: late)?.error?.code == .deadlineExceeded)
        #expect(hub.statistics.watches == 0)
        for _ in 0..<10 { try watcher.control(HubService.watch, WatchRequest(prefix: "", after: number), remaining: .max) }
        #expect(hub.statistics.watches == 10)
        watcher.close()
        #expect(hub.statistics.watches == 0)
        try provider.publish("demo/a")
        await hub.stop()
    }

    @Test func watchesAreBounded() async throws {
        let hub = try await startHub { $0.limits.watchesPerSession = 3 }
        let (provider, watcher) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let number = try now(watcher).number
        let calls = try (0..<3).map { _ in try watcher.control(HubService.watch, WatchRequest(prefix: "", after: number)) }
        let error = try watcher.refusal(HubService.watch, WatchRequest(prefix: "", after: number))
        #expect(error?.code == .overloaded && error?.message.contains("watchesPerSession") == true)
        #expect(try provider.refusal(HubService.watch, WatchRequest(prefix: "", after: number)) == nil)
        try provider.publish("demo/a")
        for call in calls { #expect(try answer(to: call, of: watcher)?.names.count == 1) }
        await hub.stop()
    }

    @Test func requestsThatMakeNoSenseAreRefused() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        struct Loose: Encodable {
            var prefix: String?
            var name: String?
        }
        #expect(try node.refusal(HubService.watch, Loose())?.code == .badArguments)
        #expect(try node.refusal(HubService.watch, Loose(prefix: "a", name: "b"))?.code == .badArguments)
        #expect(try node.refusal(HubService.watch, Loose(name: "a//b"))?.code == .invalidName)
        #expect(try node.refusal(HubService.watch, Loose(prefix: String(repeating: "x", count: 257)))?.code == .invalidName)
        await hub.stop()
    }

    @Test func thoseWhoWatchAreSentAwayByADrain() async throws {
        let hub = try await startHub()
        let watcher = try SimulatedNode(hub)
        let number = try now(watcher).number
        let call = try watcher.control(HubService.watch, WatchRequest(prefix: "", after: number), remaining: .max)
        async let drained: Void = hub.drain(grace: .seconds(20))
        while watcher.answer(to: call)?.error?.code != .moved { await Task.yield() }
        #expect(try watcher.refusal(HubService.watch, WatchRequest(prefix: "", after: number))?.code == .moved)
        watcher.close()
        await drained
    }

    @Test func theLogRemembersWhatItCan() {
        var log = ChangeLog(limit: 4, startingAt: 10)
        let start = log.latest
        for number in 0..<6 { log.note(.init(name: "n\(number % 2)", end: number < 4 ? nil : .gone)) }
        #expect(log.latest == start + 6)
        #expect(log.changes(after: start + 6, in: .prefix(""))?.isEmpty == true)
        #expect(log.changes(after: start + 2, in: .prefix(""))?.map(\.name) == ["n0", "n1"])
        #expect(log.changes(after: start + 2, in: .name("n1"))?.map(\.end) == [.gone])
        #expect(log.changes(after: start + 1, in: .prefix("")) == nil)
        #expect(log.changes(after: start + 7, in: .prefix("")) == nil)
    }
}
