import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

@Suite struct PublishingTests {
    @Test func secondExclusivePublicationSaysWhoHoldsTheNameSinceWhen() async throws {
        let hub = try await startHub()
        let (first, second) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try first.publish("demo/counter", .exclusive)
        let error = #expect(throws: TelekinesisError.self) { try second.publish("demo/counter", .exclusive) }
        #expect(error?.code == .nameTaken && error?.ran == .no)
        #expect(error?.message.hasPrefix("“demo/counter” is held exclusively by local, who published it 0 s ago: ") == true)
        #expect(throws: TelekinesisError.self) { try second.publish("demo/counter", .shared) }
        first.close()
        try second.publish("demo/counter", .exclusive)
    }

    @Test func publishingTheSameAgainChangesNothing() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        let key = try node.publish("a", .exclusive)
        try node.publish("a", .exclusive, key: key)
        #expect(hub.statistics.providers == 1)
        let error = #expect(throws: TelekinesisError.self) { try node.publish("a", .exclusive) }
        #expect(error?.code == .nameTaken && error?.message.contains("withdraw it first") == true)
    }

    @Test func publishingAnewInAnotherWayIsRefusedOrReplacesTheOldOne() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        let key = try node.publish("a", concurrency: 1)
        func load() throws -> ServiceLoad? { try node.ask(HubService.list, ListRequest(prefix: ""), for: [ListedName].self).first?.load }
        for refused in [
            { try node.publish("a", key: key, concurrency: 8) }, { try node.publish("a", .exclusive, key: key, concurrency: 1) },
            { try node.publish("a", kind: .function, key: key, concurrency: 1) }, { try node.publish("a", key: key) },
        ] {
            let error = #expect(throws: TelekinesisError.self) { try refused() }
            #expect(error?.code == .nameTaken && error?.message.contains("in another way: withdraw it first") == true)
        }
        #expect(try load()?.places == 1)
        // What the latest publication says of balancing holds.
        try node.publish("a", key: key, concurrency: 1, balancing: .roundRobin)
        #expect(try load()?.balancing == .roundRobin)
        try node.publish("a", .replace, key: key, concurrency: 8)
        #expect(try load()?.places == 8 && node.take(.replaced).isEmpty)
        try node.withdraw("a")
        #expect(hub.statistics.providers == 0)
    }

    @Test func providersOfOneNameReadTheSame() async throws {
        let hub = try await startHub()
        let (first, second, caller) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        func request(_ name: String, _ encoding: OnlyEncoding?) throws -> PublishRequest {
            PublishRequest(name: try ServiceName(name), key: .random(), kind: .object, sharing: .shared, encoding: encoding)
        }
        #expect(try first.refusal(HubService.publish, request("json", .json)) == nil)
        #expect(try second.refusal(HubService.publish, request("json", .json)) == nil)
        #expect(try first.refusal(HubService.publish, request("any", nil)) == nil)
        for (name, encoding) in [("json", nil), ("any", OnlyEncoding.json)] {
            let third = try SimulatedNode(hub)
            #expect(try third.refusal(HubService.publish, request(name, encoding))?.code == .nameTaken)
        }
        #expect(try caller.resolve("json", route: 1).encoding == .json)
        #expect(try caller.resolve("any", route: 2).encoding == nil)
        #expect(try caller.reserve("json", route: 3).encoding == .json)
        #expect(try caller.reserve("any", route: 4).encoding == nil)
        // Nor does one change its mind.
        var again = try request("json", .json)
        #expect(try first.refusal(HubService.publish, again)?.code == .nameTaken)
        again = try request("mine", .json)
        #expect(try first.refusal(HubService.publish, again) == nil && first.refusal(HubService.publish, again) == nil)
        again.encoding = nil
        #expect(try first.refusal(HubService.publish, again)?.code == .nameTaken)
        // What the hub does not know, it cannot promise to callers.
        struct Unknown: Encodable {
            let name = "x"
            let key = [1, 2]
            let kind = "object"
            let sharing = "shared"
            let encoding = "xml"
        }
        #expect(try first.refusal(HubService.publish, Unknown())?.code == .badArguments)
    }

    @Test func providersOfOneNameAgreeOnWhatItIs() async throws {
        let hub = try await startHub()
        let (first, second) = (try SimulatedNode(hub), try SimulatedNode(hub))
        try first.publish("a", .shared, kind: .function)
        let error = #expect(throws: TelekinesisError.self) { try second.publish("a", .shared, kind: .class) }
        #expect(error?.code == .nameTaken && error?.message.contains("function") == true)
        #expect(throws: TelekinesisError.self) { try second.publish("a", .exclusive, kind: .function) }
        try second.publish("a", .shared, kind: .function)
        #expect(hub.statistics.providers == 2)
    }

    @Test func replaceTakesTheNameOver() async throws {
        let hub = try await startHub()
        let (first, second, caller) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        let key = try first.publish("a", .exclusive)
        try caller.resolve("a", route: 1)
        try second.publish("a", .replace)
        caller.call(.route(1))
        // The old provider is told, and is called no more.
        #expect(first.take().map(\.bytes) == [FrameWriter.replaced(try ServiceName("a"), key)])
        #expect(second.take(.call).count == 1)
        // The old provider's withdrawal is not the new one's.
        #expect(throws: TelekinesisError.self) { try first.withdraw("a") }
        first.close()
        caller.call(.route(1))
        #expect(second.take(.call).count == 1)
    }

    @Test func anotherPrincipalsNameIsNotShadowed() async throws {
        let secret = try SharedSecretForTests.make()
        let hub = try await startHub { $0.authenticator = secret }
        let (local, remote) = (try SimulatedNode(hub), try SimulatedNode(hub.board.stranger(), credentials: [secret]))
        try await remote.welcomed()
        try local.publish("a", .shared)
        for sharing in [Sharing.shared, .replace, .exclusive] {
            let error = #expect(throws: TelekinesisError.self) { try remote.publish("a", sharing) }
            #expect(error?.code == .nameTaken)
        }
        try remote.publish("b", .exclusive)
        #expect(throws: TelekinesisError.self) { try local.publish("b", .replace) }
    }

    @Test func namesHaveOneSpelling() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        let names = [
            "", "/a", "a/", "a//b", "a/../b", ".", "*", "a b", "a\u{0}", "naïve", "ａ", "a\n", String(repeating: "x", count: 65_000),
        ]
        for name in names {
            var request = PublishRequest(name: try ServiceName("a"), key: .random(), kind: .object, sharing: .shared)
            request.name = name
            #expect(try node.refusal(HubService.publish, request)?.code == .invalidName)
            var resolve = ResolveRequest(name: try ServiceName("a"), route: 1, wait: true)
            resolve.name = name
            #expect(try node.refusal(HubService.resolve, resolve)?.code == .invalidName)
        }
        try node.publish("A")
        #expect(throws: TelekinesisError.self) { try node.resolve("a", route: 1) }
        #expect(node.end == nil)
    }

    @Test func quotasAreRefusedByName() async throws {
        let hub = try await startHub {
            $0.limits.namesPerSession = 2
            $0.limits.routesPerSession = 2
        }
        let node = try SimulatedNode(hub)
        let key = try node.publish("a")
        try node.publish("b")
        let error = #expect(throws: TelekinesisError.self) { try node.publish("c") }
        #expect(error?.code == .overloaded && error?.message.contains("2 names") == true)
        try node.publish("a", key: key)
        try node.resolve("a", route: 1)
        try node.resolve("a", route: 2)
        #expect(throws: TelekinesisError.self) { try node.resolve("a", route: 3) }
        #expect(try node.refusal(HubService.unbind, 1 as UInt32) == nil)
        try node.resolve("a", route: 3)
    }

    @Test func flappingIsBounded() async throws {
        let hub = try await startHub { $0.limits.controlCalls = Rate(perSecond: 0.001, burst: 10) }
        let (node, other) = (try SimulatedNode(hub), try SimulatedNode(hub))
        for _ in 0..<5 {
            try node.publish("a")
            try node.withdraw("a")
        }
        let error = #expect(throws: TelekinesisError.self) { try node.publish("a") }
        #expect(error?.code == .overloaded)
        try other.publish("a")
        #expect(node.end == nil)
    }

    @Test func handlesAreTheCallersToChooseOnce() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        try node.publish("a")
        try node.publish("b")
        try node.resolve("a", route: 1)
        for route in [1, 0] as [UInt32] {
            let error = #expect(throws: TelekinesisError.self) { try node.resolve("b", route: route) }
            #expect(error?.code == .badArguments)
        }
        #expect(try node.refusal(HubService.unbind, 9 as UInt32)?.code == .badArguments)
    }

    @Test func anExclusiveNameTellsItsProvider() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        try node.publish("a", .exclusive, kind: .object)
        try node.publish("f", .shared, kind: .function)
        let exclusive = try node.resolve("a", route: 1)
        #expect(exclusive.provider == node.id.rawValue && exclusive.sharing == .exclusive && exclusive.kind == .object)
        let shared = try node.resolve("f", route: 2)
        #expect(shared.provider == nil && shared.sharing == .shared && shared.kind == .function)
    }

    @Test func namesAreListedInOrderAndPages() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        for index in 0..<1_200 { try node.publish("many/a-rather-long-name-for-something-published-\(10_000 + index)") }
        try node.publish("few/one", .exclusive, kind: .object)
        // Somebody asks for what nobody serves: it is no name to list.
        _ = try? node.resolve("few/absent", route: 5)
        #expect(try node.ask(HubService.list, ListRequest(prefix: "few/"), for: [ListedName].self).map(\.name) == ["few/one"])
        let page = try node.ask(HubService.list, ListRequest(prefix: "", limit: 2), for: [ListedName].self)
        #expect(page.map(\.name).map { $0.suffix(5) } == ["w/one", "10000"])
        let next = try node.ask(HubService.list, ListRequest(limit: 1, after: page.last?.name), for: [ListedName].self)
        #expect(next.first?.name.suffix(5) == "10001")

        // A page of a thousand does not fit into one frame.
        let id = try node.control(HubService.list, ListRequest(prefix: "many/"))
        let heard = node.take()
        #expect(heard.first?.type == .reply && heard.dropFirst().allSatisfy { $0.type == .data && $0.call == id })
        #expect(heard.count > 1 && heard.last.map { ChannelFlags(rawValue: $0.flags).contains(.last) } == true)
    }

    @Test func otherMethodsOfTheHubDoNotExist() async throws {
        let hub = try await startHub()
        let node = try SimulatedNode(hub)
        #expect(try node.refusal(Selector(rawValue: 0), "publish")?.code == .noSuchMethod)
        #expect(try node.refusal(Selector(wireName: "shutdown()"), 1)?.code == .noSuchMethod)
        #expect(try node.refusal(HubService.publish, "text")?.code == .badArguments)
        #expect(try node.refusal(HubService.unbind, -1)?.code == .badArguments)
        #expect(node.answer(to: node.call(.key(.control), body: [1]))?.error?.code == .badArguments)
        #expect(node.answer(to: node.call(.key(.control), flags: .more))?.error?.code == .tooLarge)
        #expect(try node.refusal(ObjectService.ping, 0) == nil)
        #expect(node.end == nil)
    }
}
