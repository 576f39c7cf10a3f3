import Distributed
import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// A hub and two nodes joined in memory.
struct Trio {
    let hub: Hub
    let provider: Node
    let caller: Node

    init() async throws {
        var configuration = HubConfiguration()
        configuration.host = nil
        configuration.logger = .silent
        hub = try await Hub.start(configuration)
        provider = try await Node.connect(to: hub)
        caller = try await Node.connect(to: hub)
    }
}

@Suite(.timeLimit(.minutes(1))) struct InProcessTests {
    @Test func objectIsSharedByItsCallers() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo/counter")
        let counter = try await trio.caller.resolve("demo/counter", as: Counter.self)
        #expect(try await counter.increment(by: 100) == 100)
        let again = try await trio.caller.resolve("demo/counter", as: $CounterService.self)
        #expect(try await again.increment(by: 5) == 105)
        #expect(try await counter.value == 105)
    }

    @Test func classMakesAnInstanceForEachCaller() async throws {
        let trio = try await Trio()
        let provider = trio.provider
        try await provider.publish(class: "demo/Counter") { (initial: Int) in Counter(initialValue: initial, on: provider) }
        let make = trio.caller.class("demo/Counter", of: Counter.self)
        let mine = try make(123)
        let other = try make(1)
        #expect(try await mine.value == 123)
        #expect(try await mine.increment(by: 100) == 223)
        #expect(try await other.value == 1)
    }

    @Test func functionsOfAnyArityAreCalled() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(function: "demo/hello") { (name: String) in "Hello \(name)" }
        try await trio.provider.publish(function: "demo/none") { 42 }
        try await trio.provider.publish(function: "demo/three") { (a: Int, b: Double, c: [String]) in "\(a) \(b) \(c)" }
        let seen = Seen()
        try await trio.provider.publish(function: "demo/void") { (text: String) in await seen.add(text) }
        let hello: RemoteFunction<(String) -> String> = try await trio.caller.function("demo/hello")
        #expect(try await hello("Awesome") == "Hello Awesome")
        #expect(try await trio.caller.function("demo/none", as: (() -> Int).self)() == 42)
        let three = try await trio.caller.function("demo/three", as: ((Int, Double, [String]) -> String).self)
        #expect(try await three(1, 2.5, ["x"]) == "1 2.5 [\"x\"]")
        let void: RemoteFunction<(String) -> Void> = try await trio.caller.function("demo/void")
        try await void("once")
        #expect(await seen.texts == ["once"])
    }

    @Test func errorsArriveAsTheyWereThrown() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo/counter")
        let counter = try await trio.caller.resolve("demo/counter", as: Counter.self)
        await #expect(throws: Trouble(message: "no")) { try await counter.fail(with: "no") }
        let error = try await #require(throws: TelekinesisError.self) { try await counter.failOpaquely() }
        #expect(error.code == .methodFailed)
        #expect(error.ran == .yes)
        #expect((error.cause as? RemoteError)?.typeName.hasSuffix("Opaque") == true)
    }

    @Test func largeValuesTravelInParts() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo/counter")
        let counter = try await trio.caller.resolve("demo/counter", as: Counter.self)
        let bytes = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0) }
        #expect(try await counter.echo(bytes) == bytes)
        let error = try await #require(throws: TelekinesisError.self) {
            try await counter.echo([UInt8](repeating: 0, count: 17 * 1024 * 1024))
        }
        #expect(error.code == .tooLarge)
    }

    @Test func unknownNameFailsFastAndSaysSo() async throws {
        let trio = try await Trio()
        let error = try await #require(throws: TelekinesisError.self) { try await trio.caller.resolve("demo/none", as: Counter.self) }
        #expect(error.code == .noSuchName)
        #expect(error.message.contains("demo/none"))
    }

    @Test func callMadeBeforeItsProviderWaits() async throws {
        let trio = try await Trio()
        async let counter = trio.caller.resolve("demo/late", as: Counter.self, waitingUpTo: .seconds(20))
        try await trio.provider.publish(Counter(initialValue: 7, on: trio.provider), as: "demo/late")
        #expect(try await counter.value == 7)
    }

    @Test func deadlineIsKeptAndCancelsTheMethod() async throws {
        let trio = try await Trio()
        let object = Counter(on: trio.provider)
        try await trio.provider.publish(object, as: "demo/counter")
        let counter = try await trio.caller.resolve("demo/counter", as: Counter.self)
        let error = try await #require(throws: TelekinesisError.self) {
            try await withDeadline(.milliseconds(50)) { try await counter.hang() }
        }
        #expect(error.code == .deadlineExceeded)
        #expect(error.ran == .maybe)
        while try await counter.value != -1 { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test func cancellationReachesTheMethod() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo/counter")
        let counter = try await trio.caller.resolve("demo/counter", as: Counter.self)
        let task = Task { try await counter.hang() }
        _ = try await counter.value
        task.cancel()
        let error = await #expect(throws: TelekinesisError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        while try await counter.value > 0 { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test func constructionThatFailsFailsTheCallsWithItsError() async throws {
        let trio = try await Trio()
        let provider = trio.provider
        try await provider.publish(class: "demo/Picky") { (initial: Int) async throws -> Counter in
            if initial < 0 { throw Opaque() }
            return Counter(initialValue: initial, on: provider)
        }
        let bad = try trio.caller.class("demo/Picky", of: Counter.self)(-1)
        let error = try await #require(throws: TelekinesisError.self) { try await bad.increment(by: 1) }
        #expect(error.message.contains("opaque trouble"))
        #expect(error.ran == .no)
        let missing = try trio.caller.class("demo/Missing", of: Counter.self)(1)
        let unknown = try await #require(throws: TelekinesisError.self) { try await missing.increment(by: 1) }
        #expect(unknown.code == .noSuchName)
    }

    @Test func wordsFindTheirMethod() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo/counter")
        #expect(try await trio.caller.call("demo/counter", words: ["increment", "by=5"]) == [5])
        #expect(try await trio.caller.call("demo/counter", words: ["increment", "7"]) == [12])
        #expect(try await trio.caller.call("demo/counter", words: ["value"]) == [12])
        let error = try await #require(throws: TelekinesisError.self) {
            try await trio.caller.call("demo/counter", words: ["explode"])
        }
        #expect(error.code == .noSuchMethod)
        #expect(error.message.contains("increment(by: Int)"))
        func message(_ words: String...) async throws -> String {
            try await failure { try await trio.caller.call("demo/counter", words: words) }.message
        }
        #expect(try await message("increment") == "increment(by: Int) -> Int takes one argument; the call has none")
        #expect(try await message("increment", "1", "2") == "increment(by: Int) -> Int takes one argument; the call has 2")
        #expect(try await message("increment", "amount=5") == "increment(by: Int) -> Int has no parameter “amount”")
        #expect(try await message("value", "1").hasSuffix("takes no argument; the call has 1"))
    }

    @Test func whatIsMistakenForSomethingElseIsNamed() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo/counter")
        let counter = try await trio.caller.resolve("demo/counter", as: $ListCounter.self)
        let result = try await failure { try await counter.increment(by: 1) }
        #expect(result.message == "the result cannot be read as Array<String>: Expected an array, found an integer at byte 1")
        let instance = try trio.caller.class("demo/counter", of: Counter.self)(1)
        let construction = try await failure { try await instance.increment(by: 1) }
        #expect(construction.message.contains("no class: node.resolve(_:as:)") && construction.ran == .no)
    }

    @Test func anErrorOfAMethodIsNamedByItsType() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(function: "fail") { () -> Int in throw Unsent.short }
        let error = try await failure { try await trio.caller.call("fail", words: []) }
        #expect("\(error)" == "methodFailed: EndToEndTests.Unsent: short (the method ran)")
    }

    @Test func wordsSpellStructuresInJSON() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(function: "sum") { (values: [Int]) in values.reduce(0, +) }
        try await trio.provider.publish(function: "or") { (value: Int?, other: Int) in value ?? other }
        #expect(try await trio.caller.call("sum", words: ["[1, 2, 3]"]) == [6])
        #expect(try await trio.caller.call("or", words: ["null", "4"]) == [4])
        #expect(try await trio.caller.call("or", words: ["5", "4"]) == [5])
        let error = try await #require(throws: TelekinesisError.self) { try await trio.caller.call("sum", words: ["[1, true]"]) }
        #expect(error.code == .badArguments && error.ran == .no)
    }

    @Test func serviceDescribesItself() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo/counter")
        let description = try await trio.caller.describe("demo/counter")
        #expect(description.kind == .object)
        #expect(description.methods.map(\.signature).contains("increment(by: Int) -> Int"))
        #expect(try await trio.caller.list("demo/").map(\.name) == ["demo/counter"])
    }
}

/// A counter as somebody has it wrong.
@Resolvable
protocol ListCounter: DistributedActor where ActorSystem == Node {
    distributed func increment(by amount: Int) async throws -> [String]
}

/// An error that cannot travel as itself.
enum Unsent: Error { case short }

actor Seen {
    private(set) var texts: [String] = []

    func add(_ text: String) { texts.append(text) }
}
