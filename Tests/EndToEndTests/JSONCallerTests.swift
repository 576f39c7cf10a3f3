import Distributed
import FoundationEssentials
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Programs that write JSON call Swift objects through a hub, and get JSON back.
@Suite(.timeLimit(.minutes(1))) struct JSONCallerTests {
    /// A hub, a provider of “demo”, and a caller that makes its frames itself.
    private func stage<Object: DistributedActor>(_ make: (Node) -> Object) async throws -> (Trio, RawNode)
    where Object.ActorSystem == Node {
        let trio = try await Trio()
        try await trio.provider.publish(make(trio.provider), as: "demo")
        let caller = try RawNode(trio.hub)
        try await caller.resolve("demo")
        return (trio, caller)
    }

    @Test func resultsAreJSON() async throws {
        let (trio, caller) = try await stage { Almanac(on: $0) }
        for (method, arguments, expected) in [
            ("twice", "[21]", "42"), ("twice", #"{"number": "9007199254740992"}"#, #""18014398509481984""#), ("nothing", "[]", "null"),
            ("noon", "[]", #""2024-02-29T12:00:00Z""#), ("day", #"["2024-02-29T12:00:00Z"]"#, "19782"),
            ("reversed", #"["AQID"]"#, #""AwIB""#), ("limit", "[]", #""Infinity""#),
            (
                "page", #"[{"title": "a \"b\"", "notes": ["x"], "next": {"title": "", "notes": []}}]"#,
                #"{"title":"a \"b\"!","notes":["x"],"next":{"title":"","notes":[]}}"#
            ),
        ] {
            let answer = try await caller.ask(method, arguments)
            #expect(answer.flags == .routed && answer.encoding == 1 && answer.text == expected, "\(method): \(answer.text)")
        }
        await trio.hub.stop()
    }

    @Test func largeResultsAreJSON() async throws {
        let (trio, caller) = try await stage { Probe(on: $0) }
        let answer = try await caller.ask("bytes", "[300000]")
        #expect(answer.flags.contains(.more) && answer.encoding == 1)
        #expect(answer.text == "\"" + String(repeating: "BwcH", count: 100_000) + "\"")
        await trio.hub.stop()
    }

    @Test func errorsAreJSON() async throws {
        let (trio, caller) = try await stage { Counter(on: $0) }
        let thrown = try await caller.ask("fail", #"["oh \u0001"]"#)
        #expect(thrown.flags.contains(.isError) && thrown.flags.ran == .yes && thrown.encoding == 1)
        #expect(thrown.text.contains(#""code":"methodFailed""#), "\(thrown.text)")
        #expect(thrown.text.contains(#""type":"EndToEndTests.Trouble""#), "\(thrown.text)")
        for (method, arguments, code) in [
            ("flail", "[]", "noSuchMethod"), ("increment", #"["x"]"#, "badArguments"), ("increment", "[1", "badArguments"),
            ("increment", #"{"of": 1}"#, "badArguments"), ("increment", "[1e400]", "badArguments"), ("increment", "", "badArguments"),
        ] {
            let refused = try await caller.ask(method, arguments)
            #expect(refused.flags.contains(.isError) && refused.flags.ran == .no && refused.encoding == 1)
            #expect(refused.text.contains("\"code\":\"\(code)\""), "\(refused.text)")
        }
        let missing = try await caller.ask("increment", "[1]", of: .key(.random()), at: trio.provider.id)
        #expect(missing.encoding == 1 && missing.text.contains(#""code":"noSuchObject""#))
        #expect(try await caller.ask("value", "[]").text == "0")
        await trio.hub.stop()
    }

    @Test func whatJSONCannotSayIsAnError() async throws {
        let (trio, caller) = try await stage { Almanac(on: $0) }
        for (method, reason) in [("doomsday", "timestamp"), ("ticks", "stream")] {
            let answer = try await caller.ask(method, "[]")
            #expect(answer.flags.contains(.isError) && answer.flags.ran == .yes && answer.encoding == 1)
            #expect(answer.text.contains(#""code":"badResult""#) && answer.text.contains(reason), "\(answer.text)")
        }
        await trio.hub.stop()
    }

    @Test func whatEveryObjectAnswersIsJSONToo() async throws {
        let (trio, caller) = try await stage { Counter(on: $0) }
        let ping = try await caller.answer(to: caller.call(.route(1), ObjectService.ping, .json, Array("[]".utf8)))
        #expect(ping.encoding == 1 && ping.text == "null")
        let described = try await caller.answer(to: caller.call(.route(1), ObjectService.describe, .json, Array("[]".utf8)))
        #expect(described.encoding == 1 && described.text.contains(#""name":"increment(by:)""#))
        await trio.hub.stop()
    }

    @Test func otherEncodingsAreAnsweredInMessagePack() async throws {
        let (trio, caller) = try await stage { Counter(on: $0) }
        let words = try await caller.answer(to: caller.call(.route(1), method: "increment", .words, [0x91, 0xa1, 0x35]))
        #expect(words.encoding == 0 && words.bytes == [5])
        let packed = try await caller.answer(to: caller.call(.route(1), Selector(wireName: "increment(by:)"), .messagePack, [5], count: 1))
        #expect(packed.encoding == 0 && packed.bytes == [10])
        // The memory of an answer in JSON is used again by the next one.
        #expect(try await caller.ask("increment", "[1]").encoding == 1)
        let again = try await caller.answer(to: caller.call(.route(1), Selector(wireName: "increment(by:)"), .messagePack, [5], count: 1))
        #expect(again.encoding == 0 && again.bytes == [16])
        await trio.hub.stop()
    }

    @Test func objectsInResultsAreTextAndHeld() async throws {
        let (trio, caller) = try await stage { Room(on: $0) }
        let answer = try await caller.ask("make", #"["Ann"]"#)
        #expect(answer.references.count == 1 && answer.references[0].node == .hub)
        let key = answer.references[0].key
        #expect(answer.text == #"{"$ref":"\#(ReferenceText(node: trio.provider.id, key: key))"}"#)
        #expect(trio.provider.session.incoming.registry.heldCount == 1)
        let name = try await caller.ask("name", "[]", of: .key(key), at: trio.provider.id)
        #expect(name.encoding == 1 && name.text == #""Ann""#)
        caller.send(FrameWriter.release(key, of: trio.provider.id, count: 1))
        try await eventually { trio.provider.session.incoming.registry.heldCount == 0 }
        await trio.hub.stop()
    }

    @Test func functionsThatAreHandedOverInJSONAreCalledInJSON() async throws {
        let (trio, caller) = try await stage { Room(on: $0) }
        let key = ActorKey.random()
        caller.respond { call in
            guard call.key == key, call.parts?.encoding == .json, call.arguments.hasSuffix(#","n"]"#) else { return nil }
            return ([], [1] + Array(#""\#(call.arguments.dropFirst().prefix(1))!""#.utf8))
        }
        let text = #"[[1, 2], {"$ref": "\#(ReferenceText(node: caller.id, key: key))"}]"#
        let answer = try await caller.ask("map", text, references: [(.hub, key)])
        #expect(answer.text == #"["1!","2!"]"#, "\(answer.text)")
        let release = try await caller.next(.release)
        #expect(release.key == key && release.count == 1)
        await trio.hub.stop()
    }
}

/// Says one thing of each kind.
distributed actor Almanac {
    final class Page: Codable, Sendable {
        let title: String
        let notes: [String]
        let next: Page?

        init(_ title: String, _ notes: [String], _ next: Page?) {
            self.title = title
            self.notes = notes
            self.next = next
        }
    }

    init(on node: Node) { actorSystem = node }

    distributed func twice(number: Int) -> Int { number * 2 }
    distributed func nothing() {}
    distributed func page(_ page: Page) -> Page { Page(page.title + "!", page.notes, page.next) }
    distributed func noon() -> Date { Date(timeIntervalSince1970: 1_709_208_000) }
    distributed func day(_ date: Date) -> Int { Int(date.timeIntervalSince1970) / 86_400 }
    distributed func reversed(_ bytes: [UInt8]) -> [UInt8] { bytes.reversed() }
    distributed func limit() -> Double { .infinity }
    distributed func doomsday() -> Date { Date(timeIntervalSince1970: 1e12) }
    distributed func ticks() -> RemoteStream<Int> { RemoteStream([1, 2]) }
    distributed func count(_ numbers: RemoteStream<Int>) async throws -> Int {
        var count = 0
        for try await _ in numbers { count += 1 }
        return count
    }
}
