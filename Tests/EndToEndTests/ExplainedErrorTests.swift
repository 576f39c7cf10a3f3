import Distributed
import MessagePack
import Synchronization
import TelekinesisHub
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Errors name the thing, and say what to do.
@Suite(.timeLimit(.minutes(1))) struct ExplainedErrorTests {
    @Test func argumentsThatDoNotFitAreThoseOfAName() async throws {
        let trio = try await Trio()
        let provider = trio.provider
        try await provider.publish(class: "demo/Counter") { (start: Int) in Counter(initialValue: start, on: provider) }
        try await provider.publish(function: "demo/add") { (a: Int, b: Int) in a + b }
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        let make = trio.caller.class("demo/Counter", of: Counter.self)
        let advice = "; `tk describe demo/Counter` shows what it takes"
        let wrong = try await failure { try await make("x").value }
        #expect(
            wrong.message == "“demo/Counter”: argument 1 is not of type Int: Expected an integer, found a string at byte 30" + advice)
        let many = try await failure { try await make(1, 2).value }
        #expect(many.message == "“demo/Counter”: (Int) -> Counter takes one argument; the call has 2" + advice)
        let add: RemoteFunction<(Int) -> Int> = try await trio.caller.function("demo/add")
        let few = try await failure { try await add(1) }
        #expect(few.message.hasPrefix("“demo/add”: (Int, Int) -> Int takes 2 arguments; the call has 1; `tk describe demo/add`"))
        for error in [wrong, many, few] { #expect(error.code == .badArguments && error.ran == .no) }
        // A function that is handed over has no name.
        try await provider.publish(function: "demo/caller") { (call: RemoteFunction<(String) -> Int>) in try await call("x") }
        let caller: RemoteFunction<(RemoteFunction<(Int) -> Int>) -> Int> = try await trio.caller.function("demo/caller")
        let unnamed = try await failure { try await caller(RemoteFunction { (n: Int) in n }) }
        #expect(unnamed.message.hasPrefix("argument 1 is not of type Int"))
        let none = try await failure { try await trio.caller.class("demo/counter", of: Counter.self)(1).value }
        #expect(none.code == .noSuchMethod && none.message.hasPrefix("“demo/counter”: this is no class: node.resolve(_:as:)"))
    }

    @Test func whatWasBuiltWithOtherTypesNamesBothSignatures() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Dial(on: trio.provider), as: "demo/dial")
        let dial = try await trio.caller.resolve("demo/dial", as: $EarlierDial.self)
        let error = try await failure { try await dial.turn("left", by: ["ten"]) }
        #expect(error.code == .incompatible && error.ran == .no)
        #expect(
            error.message.hasPrefix(
                "turn(_: String, by: [String]) -> Int of EarlierDial was called on demo/dial, but the provider has "
                    + "turn(_: String, by: Int) -> Int, another signature than the caller was built against: argument “by” of"),
            "\(error.message)")
        #expect(error.message.hasSuffix(". To mend it, build both with the same declaration of the method"))
        await trio.hub.stop()
    }

    @Test func wordsThatSpellNothingAreQuoted() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Speller(on: trio.provider), as: "speller")
        func reason(_ words: String...) async throws -> String {
            let error = try await failure { try await trio.caller.call("speller", words: words) }
            #expect(error.code == .badArguments && error.ran == .no)
            return error.message
        }
        let integer = "argument “by” of increment(by: Int) -> Int is not of type Int: "
        #expect(try await reason("increment", "by=five") == integer + "“five” does not spell one")
        #expect(try await reason("increment", "by=1.5") == integer + "“1.5” does not spell one")
        #expect(try await reason("increment", "by=99999999999999999999") == integer + "“99999999999999999999” does not fit in it")
        #expect(try await reason("increment", "by=-99999999999999999999").hasSuffix("does not fit in it"))
        #expect(try await reason("increment", "by=" + String(repeating: "x", count: 1000)).count < 200)
        #expect(try await reason("echo(shape:)", "round").hasSuffix("“round” is none: structures and arrays are written in JSON"))
        // Bytes are written in base64, whatever takes them.
        #expect(try await trio.caller.call("speller", words: ["size", "AAAA"]) == [3])
        #expect(try await reason("size", "A").hasSuffix("“A” does not spell one"))
    }

    @Test func aLabelChoosesAmongOverloads() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Speller(on: trio.provider), as: "speller")
        #expect(try await trio.caller.call("speller", words: ["echo", #"shape={"sides":3}"#]) == MessagePackEncoder().encode("shape 3"))
        // What no method has as a label is part of the value.
        #expect(try await trio.caller.call("speller", words: ["echo", "a=b"]) == MessagePackEncoder().encode("text a=b"))
        let error = try await failure { try await trio.caller.call("speller", words: ["echo", "x"]) }
        #expect(error.message == "“echo” may be any of 'echo(_:)', 'echo(shape:)': write one of these names in full")
    }

    @Test func whatOnlyProgramsCanTakeIsNotAskedFor() async throws {
        let trio = try await Trio()
        let calls = Atomic<Int>(0)
        let note: @Sendable () -> Void = { calls.add(1, ordering: .relaxed) }
        try await trio.provider.publish(Speller(on: trio.provider, note), as: "speller")
        try await trio.provider.publish(function: "numbers") {
            note()
            return RemoteStream(0..<3)
        }
        for words in [["speller", "numbers"], ["speller", "itself"], ["speller", "function"], ["numbers"]] {
            let error = try await failure { try await trio.caller.call(words[0], words: Array(words.dropFirst())) }
            #expect(error.code == .unsupported && error.ran == .no && error.message.contains("only a program can take"))
        }
        #expect(calls.load(ordering: .relaxed) == 0)
        // That there is one within another value shows when it is there.
        let error = try await failure { try await trio.caller.call("speller", words: ["several"]) }
        #expect(error.code == .unsupported && error.ran == .yes)
        try await trio.provider.publish(class: "Speller") { [provider = trio.provider] in Speller(on: provider) }
        for words in [[], ["increment", "by=5"]] {
            let error = try await failure { try await trio.caller.call("Speller", words: words) }
            #expect(error.code == .invalidUse && error.message.hasPrefix("“Speller” is a class: programs make instances"))
        }
    }

    @Test func whoIsAskedByNobodySaysSo() async throws {
        let error = try await failure { try await CallContext.current.ask("Name") }
        #expect(error.code == .unsupported && error.ran == .no && error.message.contains("there is no call"))
    }

    @Test func anObjectThatEndedWithAConnectionSaysSo() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (provider, caller) = (try await hub.connect(), try await way.connect())
        try await provider.publish(class: "demo/Speller") { Speller(on: provider) }
        try await provider.publish(Speller(on: provider), as: "speller")
        let instance = try caller.class("demo/Speller", of: Speller.self)()
        let speller = try await caller.resolve("speller", as: Speller.self)
        let other = try await speller.another()
        let function = try await speller.function()
        #expect(try await instance.increment(by: 1) + other.increment(by: 1) + function(1) == 3)
        way.line?.cut()
        try await eventually { way.joins == 2 && caller.isConnected }
        for operation in [{ try await instance.increment(by: 1) }, { try await other.increment(by: 1) }, { try await function(1) }]
            as [@Sendable () async throws -> Int]
        {
            let error = try await failure { try await operation() }
            #expect(error.code == .noSuchObject && error.ran == .no)
            #expect(error.message.contains("this node's connection to the hub was lost"))
        }
        await hub.stop()
    }
}

struct Shape: Codable, Sendable { var sides: Int }

distributed actor Speller {
    private let note: @Sendable () -> Void

    init(on node: Node, _ note: @escaping @Sendable () -> Void = {}) {
        actorSystem = node
        self.note = note
    }

    distributed func increment(by amount: Int) -> Int { amount }
    distributed func echo(_ text: String) -> String { "text \(text)" }
    distributed func echo(shape: Shape) -> String { "shape \(shape.sides)" }
    distributed func size(_ data: StoredData) -> Int { data.count }

    distributed func numbers() -> RemoteStream<Int> {
        note()
        return RemoteStream(0..<3)
    }

    distributed func itself() -> Speller {
        note()
        return self
    }

    distributed func function() -> RemoteFunction<(Int) -> Int> {
        note()
        return RemoteFunction { (number: Int) in number }
    }

    distributed func several() -> [Speller] { [self] }
    distributed func another() -> Speller { Speller(on: actorSystem) }
}

/// What callers know that were built before the numbers of a ``Dial`` were numbers.
@Resolvable
protocol EarlierDial: DistributedActor where ActorSystem == Node {
    distributed func turn(_ direction: String, by steps: [String]) -> Int
}

private distributed actor Dial {
    private var position = 0

    init(on node: Node) { actorSystem = node }

    distributed func turn(_ direction: String, by steps: Int) -> Int {
        position += steps
        return position
    }
}
