import Distributed
import Foundation
import Synchronization
import TelekinesisProtocol
import Testing

@testable import Telekinesis

@Suite struct TypeSurveyTests {
    /// What a type looks like, as text; named ones as their definitions.
    private func described(_ type: any Any.Type) -> String {
        let description = TypeSurvey.run { $0.describe(type) }
        guard case .named = description, let definition = definition(type) else { return "\(description)" }
        return "\(definition.type)" + (definition.isPartial ? " …" : "")
    }

    private func definition(_ type: any Any.Type) -> TypeDefinition? {
        let description = TypeSurvey.run { $0.describe(type) }
        guard case .named(let name) = description else { return nil }
        return TypeSurvey.definitions(for: [description]).first { $0.name == name }
    }

    @Test func scalarsAreWhatTravels() {
        let types: [(any Any.Type, TypeDescription)] = [
            (Bool.self, .bool), (Int.self, .integer(bits: 64, signed: true)), (Int8.self, .integer(bits: 8, signed: true)),
            (UInt16.self, .integer(bits: 16, signed: false)), (Int32.self, .integer(bits: 32, signed: true)),
            (UInt128.self, .integer(bits: 128, signed: false)), (Float.self, .float), (Double.self, .double), (String.self, .string),
            ([UInt8].self, .bytes), (Data.self, .bytes), (Date.self, .date), (URL.self, .url), (UUID.self, .uuid), (Void.self, .void),
        ]
        for (type, description) in types { #expect(TypeSurvey.run { $0.describe(type) } == description) }
    }

    @Test func containersTellWhatTheyContain() {
        #expect(described(Int??.self) == "Int??")
        #expect(described([[String]?].self) == "[[String]?]")
        #expect(described(Set<Int8>.self) == "[Int8]")
        #expect(TypeSurvey.run { $0.describe([String: Date].self) } == .dictionary(key: .string, value: .date))
        #expect(TypeSurvey.run { $0.describe([Int: Bool].self) } == .dictionary(key: .integer(bits: 64, signed: true), value: .bool))
        #expect(TypeSurvey.run { $0.describe([Double: Bool].self) } == .pairs(key: .double, value: .bool))
        #expect(described(Range<Int>.self) == "(Int, Int)")
    }

    @Test func structuresTellTheirFields() throws {
        let item = try #require(definition(Item.self))
        #expect(item.name == "TelekinesisTests.Item")
        #expect(
            item.type
                == .structure([
                    FieldDescription(name: "name", type: .string), FieldDescription(name: "price", type: .double),
                    FieldDescription(name: "seen-at", type: .date, isOptional: true),
                    FieldDescription(name: "wide", type: .integer(bits: 128, signed: true), isOptional: true),
                    FieldDescription(name: "twice", type: .optional(.integer(bits: 64, signed: true)), isOptional: true),
                    FieldDescription(name: "colour", type: .named("TelekinesisTests.Colour")),
                    FieldDescription(name: "tags", type: .dictionary(key: .string, value: .array(.string))),
                ]))
        #expect(!item.isPartial)
        #expect(described(Empty.self) == "()")
    }

    @Test func enumerationsTellTheirCases() throws {
        let shape = try #require(definition(Shape.self))
        #expect(!shape.isPartial)
        guard case .enumeration(let cases) = shape.type else { throw Missing() }
        #expect(cases.map(\.asCase) == ["circle(radius: Double)", "label(String, size: Int?)", "item(TelekinesisTests.Item)", "nothing"])
        #expect(TypeSurvey.run { $0.describe(Shape.self) } == .named("TelekinesisTests.Shape"))
    }

    @Test func enumerationsWithValuesTellThem() {
        #expect(
            definition(Colour.self)?.type
                == .rawEnumeration(
                    .string, [RawCase(name: "red", value: .string("red")), RawCase(name: "dark", value: .string("very dark"))]))
        #expect(
            definition(Level.self)?.type
                == .rawEnumeration(
                    .integer(bits: 8, signed: false), [RawCase(name: "low", value: .integer(3)), RawCase(name: "high", value: .integer(4))])
        )
        #expect(described(Only.self) == "only")
        // What is no enumeration has values that nobody can list.
        #expect(described(Flags.self) == "Int32")
    }

    @Test func typesThatContainThemselvesEnd() throws {
        #expect(described(Tree.self) == "(value: Int, children: [TelekinesisTests.Tree])")
        #expect(described(Linked.self) == "(next: TelekinesisTests.Linked?)")
        let term = try #require(definition(Term.self))
        guard case .enumeration(let cases) = term.type else { throw Missing() }
        #expect(cases.map(\.asCase) == ["sum(TelekinesisTests.Term, and: TelekinesisTests.Term)", "number(Int)"])
        #expect(!term.isPartial)
        // Each by way of the other.
        #expect(described(Branch.self) == "(twigs: TelekinesisTests.Twig, name: String)")
        #expect(
            TypeSurvey.definitions(for: [.named("TelekinesisTests.Branch")]).map(\.name) == [
                "TelekinesisTests.Branch", "TelekinesisTests.Twig",
            ])
        // A type that nothing can be a value of.
        #expect(described(Bottomless.self) == "(inner: TelekinesisTests.Bottomless.Box, name: String)")
    }

    @Test func genericTypesAreOnesOfTheirOwn() {
        #expect(
            described(Page<Item>.self) == "(elements: [TelekinesisTests.Item], next: TelekinesisTests.Page<TelekinesisTests.Item>.Place?)")
        #expect(described(Page<Int>.self) == "(elements: [Int], next: TelekinesisTests.Page<Int>.Place?)")
        // Without end: each is made of another one.
        #expect(definition(Growing<Int>.self)?.name == "TelekinesisTests.Growing<Int>")
    }

    @Test func classesTellWhatTheirSuperclassDoes() {
        #expect(described(Base.self) == "(base: Int)")
        #expect(described(Derived.self) == "(derived: String, super: (base: Int))")
        #expect(described(Flat.self) == "(flat: Bool, base: Int)")
    }

    @Test func typesOfOneNameAreToldApart() {
        let names = [PrivateOnes.first, PrivateOnes.second].compactMap { definition($0)?.name }
        #expect(Set(names).count == 2, "\(names)")
        #expect([PrivateOnes.first, PrivateOnes.second].map(described).sorted() == ["(one: Int)", "(two: Int)"])
    }

    @Test func whatIsHandedOverIsWhatItMeans() {
        #expect(described(RemoteStream<Item>.self) == "RemoteStream<TelekinesisTests.Item>")
        #expect(described(RemoteState<Int>.self) == "RemoteState<Int>")
        #expect(
            TypeSurvey.run { $0.describe(RemoteFunction<(Int, String) -> [String]>.self) }
                == .function(parameters: [.integer(bits: 64, signed: true), .string], result: .array(.string)))
        #expect(TypeSurvey.run { $0.describe(RemoteFunction<() -> Void>.self) } == .function(parameters: [], result: .void))
        #expect(TypeSurvey.run { $0.describe(Listener.self) } == .service("TelekinesisTests.Listener"))
        #expect(TypeSurvey.run { $0.describe($Listening.self) } == .service("TelekinesisTests.Listening"))
        let reference = TypeDescription.named("TelekinesisProtocol.StoredReference")
        #expect(TypeSurvey.run { $0.describe(StoredData.self) } == .stored(content: .bytes, reference: reference))
        #expect(
            TypeSurvey.run { $0.describe(Stored<[Int]>.self) }
                == .stored(content: .array(.integer(bits: 64, signed: true)), reference: reference))
        #expect(TypeSurvey.run { $0.describe(Image.self) } == .stored(content: .opaque("TelekinesisTests.Image"), reference: .url))
        #expect(described(StoredReference.self) == "(digest: String, size: Int)")
        #expect(described(Opaque.self) == "TelekinesisTests.Opaque")
    }

    @Test func fieldsBehindOneThatCannotBeMadeUpAreFoundByTheirNames() {
        #expect(described(Session.self) == "(frames: RemoteStream<Int>, listener: TelekinesisTests.Listener, user-name: String, age: Int?)")
        #expect(described(Account.self) == "(email: TelekinesisTests.Email, owner: String)")
        #expect(described(Email.self) == "String")
    }

    @Test func typesWithCodersOfTheirOwnSayWhatTheyCan() {
        #expect(described(Throwing.self) == "TelekinesisTests.Throwing")
        #expect(described(AnyOf.self) == "TelekinesisTests.AnyOf")
        #expect(described(StringOrKeys.self) == "TelekinesisTests.StringOrKeys")
        #expect(described(Point.self) == "(Double, Double)")
        #expect(described(Loop.self) == "[String]")
        #expect(described(Counted.self) == "[Date]")
        #expect(described(Bag.self) == "[String: Int]")
        #expect(described(Nullable.self) == "Int?")
        #expect(described(Nested.self) == "(position: (x: Int, y: Int), list: (Bool, String))")
        #expect(described(Asking.self) == "(a: Int?, b: String?)")
        #expect(described(Tagged.self) == "(kind: TelekinesisTests.Tagged.Kind, number: Int) …")
        #expect(described(Sized.self) == "(size: Int) …")
        #expect(described(Insisting.self) == "(a: Int?, b: String)")
        #expect(described(Picky.self) == "(number: Int)")
    }

    @Test func typesThatNeverEndAreLeft() {
        #expect(described(Insatiable.self) == "TelekinesisTests.Insatiable")
        #expect(described(Deep.self) == "TelekinesisTests.Deep")
        #expect(described(ForeverAtEnd.self) == "TelekinesisTests.ForeverAtEnd")
        #expect(described(Itself.self) == "TelekinesisTests.Itself")
    }

    @Test func whoeverKeepsTheDecoderGetsNothingFromItLater() throws {
        _ = described(Keeper.self)
        let kept = try #require(Keeper.kept.withLock { $0 })
        #expect(throws: Probe.NoValue.self) { try kept.value.singleValueContainer().decode(Int.self) }
    }

    @Test func aTypeDecodesItselfForItsDescriptionOnce() {
        #expect(described(Counting.self) == "(number: Int)")
        let count = Counting.count.withLock { $0 }
        #expect(described([Counting].self) == "[TelekinesisTests.Counting]")
        #expect(described(Counting.self) == "(number: Int)")
        #expect(Counting.count.withLock { $0 } == count)
    }
}

@Suite struct MethodDescriptionTests {
    @Test func onlyPublishingLooksAtTypes() throws {
        let table = try MethodTable(Listener.self, methods: MethodTable.of(Listener.self).methods)
        #expect(table.descriptions.map(\.parameters) == [nil])
        table.describeTypes()
        #expect(table.descriptions.map(\.parameters) == [[.named("TelekinesisTests.Counting")]])
        #expect(table.descriptions.map(\.result) == [.optional(.string)])
    }
}

private struct Missing: Error {}
