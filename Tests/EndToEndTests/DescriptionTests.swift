import Distributed
import Synchronization
import Telekinesis
import TelekinesisHub
import Testing

@Suite(.timeLimit(.minutes(1))) struct DescriptionTests {
    private static let item = TypeDescription.named("EndToEndTests.Article")

    @Test func anObjectTellsWhatItsTypesConsistOf() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Store(on: trio.provider), as: "store")
        let description = try await trio.caller.describe("store")
        func method(_ name: String) -> MethodDescription? { description.methods.first { $0.name == name } }
        #expect(method("add(_:)")?.parameters == [Self.item])
        #expect(method("add(_:)")?.result == .void)
        #expect(method("articles()")?.result == .dictionary(key: .string, value: .array(Self.item)))
        #expect(method("onChange(_:)")?.parameters == [.function(parameters: [Self.item], result: .void)])
        #expect(method("branch(_:)")?.parameters == [.service("EndToEndTests.CounterService")])
        #expect(method("branch(_:)")?.result == .service("EndToEndTests.Store"))
        #expect(method("ticks()")?.result == .stream(.integer(bits: 64, signed: true)))
        #expect(method("stock()")?.result == .state(.optional(Self.item)))
        #expect(
            description.types == [
                TypeDefinition(
                    name: "EndToEndTests.Article",
                    type: .structure([
                        FieldDescription(name: "name", type: .string),
                        FieldDescription(name: "parts", type: .array(Self.item), isOptional: true),
                        FieldDescription(name: "seal", type: .named("EndToEndTests.Seal")),
                    ])),
                TypeDefinition(name: "EndToEndTests.Seal", type: .integer(bits: 64, signed: true)),
            ])
        await trio.hub.stop()
    }

    @Test func classesAndFunctionsDoAsWell() async throws {
        let trio = try await Trio()
        let node = trio.provider
        try await node.publish(class: "Store") { (_: Article?) in Store(on: node) }
        try await node.publish(function: "first") { (articles: [Article]) in articles.first }
        try await node.publish(function: "log") { (_: UInt8) in }
        let store = try await trio.caller.describe("Store")
        #expect(store.initializer?.parameters == [.optional(Self.item)])
        #expect(store.initializer?.result == .service("EndToEndTests.Store"))
        #expect(store.types?.map(\.name) == ["EndToEndTests.Article", "EndToEndTests.Seal"])
        let first = try await trio.caller.describe("first")
        #expect(first.methods[0].parameters == [.array(Self.item)] && first.methods[0].result == .optional(Self.item))
        #expect(first.types?.map(\.name) == ["EndToEndTests.Article", "EndToEndTests.Seal"])
        let log = try await trio.caller.describe("log")
        #expect(log.methods[0].parameters == [.integer(bits: 8, signed: false)] && log.methods[0].result == .void)
        #expect(log.types == [])
        await trio.hub.stop()
    }

    @Test func aGenericMethodIsListedWithTheReasonWhyNobodyCanCallIt() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Probe(on: trio.provider), as: "probe")
        let methods = try await trio.caller.describe("probe").methods
        let generic = try #require(methods.first { $0.name == "generic(_:)" })
        #expect(generic.refusal == "generic(_: A) -> A is generic, or a method of a generic actor: a call cannot say which types are meant")
        #expect(generic.parameters == nil && generic.result == nil)
        // Which says nothing about the others.
        let add = try #require(methods.first { $0.name == "add(_:)" })
        #expect(add.refusal == nil && add.parameters == [.integer(bits: 64, signed: true)])
        await trio.hub.stop()
    }

    @Test func whoeverAsksForADescriptionRunsNothing() async throws {
        let trio = try await Trio()
        try await trio.provider.publish(Office(on: trio.provider), as: "office")
        let decoded = Stamp.decoded.withLock { $0 }
        #expect(decoded > 0)
        _ = try await trio.caller.describe("office")
        // A second object of the type is not looked at again.
        try await trio.provider.publish(Office(on: trio.provider), as: "second")
        _ = try await trio.caller.describe("second")
        #expect(Stamp.decoded.withLock { $0 } == decoded)
        await trio.hub.stop()
    }
}

struct Article: Codable, Sendable {
    var name: String
    var parts: [Article]?
    var seal: Seal
}

/// Refuses what is made up.
struct Seal: Codable, Sendable {
    init(from decoder: any Decoder) throws {
        guard try decoder.singleValueContainer().decode(Int.self) > 1_000 else { throw Opaque() }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(1_001)
    }
}

distributed actor Store {
    @Followed private var newest: Article? = nil

    init(on node: Node) { actorSystem = node }

    distributed func add(_ article: Article) {}
    distributed func articles() -> [String: [Article]] { [:] }
    distributed func onChange(_ body: RemoteFunction<(Article) -> Void>) {}
    distributed func branch(_ counter: $CounterService) -> Store { self }
    distributed func ticks() -> RemoteStream<Int> { RemoteStream([]) }
    distributed func stock() -> RemoteState<Article?> { $newest }
}

/// Counts how often it is decoded.
struct Stamp: Codable, Sendable {
    static let decoded = Mutex(0)

    init(from decoder: any Decoder) throws { Self.decoded.withLock { $0 += 1 } }
    func encode(to encoder: any Encoder) throws {}
}

distributed actor Office {
    init(on node: Node) { actorSystem = node }

    distributed func stamp(_ stamp: Stamp) {}
}
