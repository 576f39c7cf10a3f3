import Distributed
import FoundationEssentials
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Swift callers of providers that read nothing but JSON, through a hub.
@Suite(.timeLimit(.minutes(1))) struct JSONProviderTests {
    /// A hub, a Swift caller, and a provider of `demo` that makes its frames itself.
    private func stage(_ kind: ServiceKind = .object) async throws -> (Hub, Node, RawNode) {
        let trio = try await Trio()
        let provider = try RawNode(trio.hub)
        _ = try await provider.publish("demo", kind: kind)
        return (trio.hub, trio.caller, provider)
    }

    @Test func argumentsAndResultsAreJSON() async throws {
        let (hub, caller, provider) = try await stage()
        let counter = try await caller.resolve("demo", as: Counter.self)
        provider.respond("6")
        #expect(try await counter.increment(by: 5) == 6)
        let call = try await provider.next(.call)
        #expect(call.parts?.encoding == .json && call.parts?.argumentCount == 1 && call.arguments == "[5]")
        #expect(call.parts?.selector == Selector(wireName: "increment(by:)").rawValue)
        provider.respond(#""x=3""#)
        #expect(try await counter.add(1, to: 2, label: "é\n") == "x=3")
        #expect(try await provider.next(.call).arguments == #"[1,2,"é\n"]"#)
        provider.respond("\t\"AQID\" ")
        #expect(try await counter.echo([UInt8](repeating: 0, count: 100_000)) == [1, 2, 3])
        provider.respond("null")
        try await counter.failOpaquely()
        try await caller.ping("demo")
        provider.respond(#"{"kind": "object", "type": "Elsewhere", "methods": [], "more": true}"#)
        #expect(try await caller.describe("demo").type == "Elsewhere")
        await hub.stop()
    }

    @Test func errorsInJSONAreErrors() async throws {
        let (hub, caller, provider) = try await stage()
        let counter = try await caller.resolve("demo", as: Counter.self)
        provider.respond(#"{"code": "overloaded", "message": "later"}"#, .error(ran: .no))
        let refused = try await failure { try await counter.increment(by: 5) }
        #expect(refused.code == .overloaded && refused.message == "later" && refused.ran == .no)
        // The bytes of an error that both know: a map of one string, in base64.
        let mangled = try #require(_mangledTypeName(Trouble.self))
        provider.respond(
            #"{"code": "methodFailed", "message": "m", "mangled": "\#(mangled)", "value": "gadtZXNzYWdlom5v"}"#, .error(ran: .yes))
        await #expect(throws: Trouble(message: "no")) { try await counter.increment(by: 5) }
        await hub.stop()
    }

    @Test(arguments: [
        ("", "ends"), ("5 5", "follows"), ("{", "ends"), ("nil", "unexpected"), ("[5]", "Expected"), (#""five""#, "spell"),
        ("5.5", "exactly"), ("9223372036854775808", "exactly"),
        (#""9223372036854775808""#, "spell"), ("1e400", "too large"), ("\u{FEFF}5", "UTF-8"),
        (String(repeating: "[", count: 60_000), "deep"), (#"{"a":1,"a":1}"#, "Expected"),
    ]) func aResultThatIsNoneIsAnError(_ text: String, reason: String) async throws {
        let (hub, caller, provider) = try await stage()
        let counter = try await caller.resolve("demo", as: Counter.self)
        provider.respond(text)
        let error = try await failure { try await counter.increment(by: 5) }
        #expect(error.code == .badResult && error.ran == .yes && error.message.contains(reason), "\(error)")
        provider.respond(text, .error(ran: .maybe))
        let unreadable = try await failure { try await counter.increment(by: 5) }
        #expect(unreadable.code == .protocolViolation && unreadable.ran == .maybe)
        provider.respond { _ in ([], [3, 5]) }
        #expect(try await failure { try await counter.increment(by: 5) }.code == .badResult)
        provider.respond { _ in ([], [1, 0xff]) }
        #expect(try await failure { try await counter.increment(by: 5) }.message.contains("UTF-8"))
        // It disturbs nothing else.
        provider.respond("6")
        #expect(try await counter.increment(by: 5) == 6)
        await hub.stop()
    }

    @Test func wordsAreRefused() async throws {
        let (hub, caller, _) = try await stage()
        let error = try await failure { try await caller.call("demo", words: ["increment", "5"]) }
        #expect(error.code == .unsupported && error.ran == .no && error.message.contains("JSON only"))
        await hub.stop()
    }

    @Test func referencesAreText() async throws {
        let (hub, caller, provider) = try await stage()
        let room = try await caller.resolve("demo", as: Room.self)
        let me = Person("Ann", on: caller)
        provider.respond("1")
        #expect(try await room.join(me.as($Listener.self)) == 1)
        let call = try await provider.next(.call)
        let key = try #require(me.id.target.key)
        #expect(call.arguments == #"[{"$ref":"\#(ReferenceText(node: caller.id, key: key))"}]"#)
        #expect(call.flags & CallFlags.references.rawValue != 0)
        let name = try await provider.ask("name", "[]", of: .key(key), at: caller.id)
        #expect(name.encoding == 1 && name.text == #""Ann""#)
        // What was got by name travels as that.
        provider.respond("2")
        #expect(try await room.join(caller.resolve("demo", as: $Listener.self)) == 2)
        #expect(try await provider.next(.call) { $0.peer == caller.id }.arguments == #"[{"$ref":"demo"}]"#)
        // What it hands over in turn is called in JSON.
        let object = ActorKey.random()
        provider.respond { [id = provider.id] call in
            if call.key == object { return ([], [1] + Array(#""\#(call.parts?.encoding == .json ? "JSON" : "no")""#.utf8)) }
            let text = #"{"$ref":"\#(ReferenceText(node: id, key: object))"}"#
            return (.references, ReferenceTable.bytes([(.hub, object)]) + [1] + Array(text.utf8))
        }
        do {
            let made = try await room.make("Eve")
            #expect(try await made.name() == "JSON")
        }
        #expect(try await provider.next(.release).key == object)
        await hub.stop()
    }

    @Test func aReservedProviderIsCalledInJSON() async throws {
        let (hub, caller, provider) = try await stage()
        provider.respond("6")
        let value = try await caller.withReservation(of: "demo", as: Counter.self) { try await $0.increment(by: 5) }
        #expect(value == 6)
        #expect(try await provider.next(.call).parts?.encoding == .json)
        await hub.stop()
    }

    // MARK: Both ends Swift

    /// A hub, a provider that asks for JSON, and a caller.
    private func swiftStage() async throws -> (Hub, Node, Node) {
        let trio = try await Trio()
        var configuration = NodeConfiguration()
        configuration.onlyEncoding = .json
        return (trio.hub, try await Node.connect(to: trio.hub, configuration: configuration), trio.caller)
    }

    @Test func everythingThatCanBeHandedOverSurvives() async throws {
        let (hub, provider, caller) = try await swiftStage()
        try await provider.publish(Room(on: provider), as: "room")
        let room = try await caller.resolve("room", as: Room.self)
        let (ann, bob) = (Person("Ann", on: caller), Person("Bob", on: caller))
        #expect(try await room.join(ann.as($Listener.self)) == 1)
        #expect(try await room.names() == ["Ann"])
        let invitation = Invitation(
            guests: ["a": try ann.as($Listener.self), "b": try bob.as($Listener.self)], host: ann,
            onAnswer: RemoteFunction { (text: String) in text.utf8.count })
        #expect(try await room.invite(invitation) == 2)
        #expect(try await bob.all() == ["welcome b"])
        #expect(try await room.map([1, 2], RemoteFunction { (number: Int, text: String) in "\(text)\(number)" }) == ["n1", "n2"])
        #expect(try await room.take([UInt8](repeating: 1, count: 100_000), ann.as($Listener.self)) == "Ann")
        let eve = try await room.make("Eve")
        #expect(eve.id.target.readsOnlyJSON)
        #expect(try await eve.isThisMe(eve))
        let adder = try await room.adder(3)
        #expect(try await adder(4) == 7)
        #expect(try await room.same(adder)(5) == 8)
        #expect(try await room.first()?.name() == "Ann")
        let name = try await withPipelining { try await room.make("Zoe").name() }
        #expect(name == "Zoe")
        await hub.stop()
    }

    @Test func instancesAndFunctionsAreCalledInJSON() async throws {
        let (hub, provider, caller) = try await swiftStage()
        try await provider.publish(class: "Counter") { [unowned provider] (value: Int) in Counter(initialValue: value, on: provider) }
        try await provider.publish(function: "day") { (date: Date) in Date(timeIntervalSince1970: date.timeIntervalSince1970 + 0.5) }
        _ = try await caller.describe("Counter")
        let makeCounter = caller.class("Counter", of: Counter.self)
        let counter = try makeCounter(40)
        #expect(counter.id.target.readsOnlyJSON)
        #expect(try await counter.increment(by: 2) == 42)
        await #expect(throws: Trouble(message: "no")) { try await counter.fail(with: "no") }
        let day = try await caller.function("day", as: ((Date) -> Date).self)
        #expect(try await day(Date(timeIntervalSince1970: 1)) == Date(timeIntervalSince1970: 1.5))
        // Nothing has spoken JSON by chance: this is what it cannot say.
        let error = try await failure { try await day(Date(timeIntervalSince1970: 1e12)) }
        #expect(error.code == .badArguments && error.ran == .no && error.message.contains("JSON"))
        await hub.stop()
    }

    @Test func streamsAreRefusedAtTheCaller() async throws {
        let (hub, provider, caller) = try await swiftStage()
        try await provider.publish(Almanac(on: provider), as: "almanac")
        let almanac = try await caller.resolve("almanac", as: Almanac.self)
        let error = try await failure { try await almanac.count(RemoteStream([1, 2, 3])) }
        #expect(error.code == .badArguments && error.ran == .no && error.message.contains("stream"), "\(error)")
        #expect(try await almanac.twice(number: 4) == 8)
        await hub.stop()
    }

    @Test func storedValuesAreFetched() async throws {
        try await withTemporaryDirectory { directory in
            let hub = try await startHub { $0.storeDirectory = directory }
            let (provider, caller) = (try await hub.connect { $0.onlyEncoding = .json }, try await hub.connect())
            try await provider.publish(function: "twice") { (data: StoredData) in StoredData(data.bytes + data.bytes) }
            let twice = try await caller.function("twice", as: ((StoredData) -> StoredData).self)
            #expect(try await twice(StoredData([1, 2])).bytes == [1, 2, 1, 2])
            let large = [UInt8](repeating: 3, count: 100_000)
            #expect(try await twice(StoredData(large)).bytes == large + large)
            await hub.stop()
        }
    }

    @Test func anotherProviderMayReadSomethingElse() async throws {
        let trio = try await Trio()
        let faulty = try FaultyHub(trio.hub)
        let caller = try await faulty.connect()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo")
        let counter = try await caller.resolve("demo", as: Counter.self)
        #expect(try await counter.increment(by: 5) == 5)
        try await trio.provider.withdraw("demo")
        let provider = try RawNode(trio.hub)
        _ = try await provider.publish("demo")
        provider.respond("6")
        #expect(!counter.id.target.readsOnlyJSON)
        // Whoever connects anew asks anew.
        faulty.cut(after: 0, towardsHub: true)
        _ = try? await caller.ping()
        try await eventually { counter.id.target.readsOnlyJSON }
        #expect(try await counter.increment(by: 5) == 6)
        #expect(try await provider.next(.call).arguments == "[5]")
        // And so does whoever resolves.
        _ = try await provider.control(HubService.withdraw, WithdrawRequest(name: ServiceName("demo")))
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo")
        _ = try await caller.resolve("demo", as: Counter.self)
        #expect(!counter.id.target.readsOnlyJSON)
        await trio.hub.stop()
    }
}
