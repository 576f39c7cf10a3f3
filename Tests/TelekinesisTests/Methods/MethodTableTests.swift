import Distributed
import MethodFixtures
import TelekinesisProtocol
import Testing

@testable import Telekinesis

@Suite struct MethodTableTests {
    let table: MethodTable

    init() throws { table = try MethodTable.of(Counter.self) }

    @Test func aMethodIsFoundByTheHashOfItsName() throws {
        let method = try table.method(Selector(wireName: "increment(by:)"), signatureHash: 0)
        #expect(method.mangledName == "$s14MethodFixtures7CounterC9increment2byS2i_tYaKFTE")
        #expect(method.labels == ["by"])
        #expect(method.parameterTypeNames == ["Int"])
        #expect(method.parameterTypes.map(ObjectIdentifier.init) == [ObjectIdentifier(Int.self)])
        #expect(method.resultType == Int.self)
        #expect(method.signature == "increment(by: Int) -> Int")
        #expect(method.refusal == nil)
    }

    @Test func typesAreWrittenAsPeopleWriteThem() throws {
        let method = try table.method(named: "join", labels: ["_", "b", "_", "d", "e"])
        #expect(method.wireName == "join(_:b:_:d:e:)")
        #expect(method.signature == "join(_: Int, b: String, _: [Double], d: [String: Int?], e: UInt8?) -> [String]")
    }

    @Test func aDistributedVarIsAMethodWithoutParameters() throws {
        #expect(try table.method(Selector(wireName: "value()"), signatureHash: 0).signature == "value() -> Int")
    }

    @Test func aNameInBackTicksTravelsWithoutThem() throws {
        #expect(try table.method(Selector(wireName: "class()"), signatureHash: 0).signature == "class() -> String")
    }

    @Test func overloadsAreToldApartByTypesOrBySignature() throws {
        let add = Selector(wireName: "add(_:)")
        let forText = try table.method(Selector(wireName: "add(_:)(String)"), signatureHash: 0)
        let forNumber = try table.method(Selector(wireName: "add(_:)(Int)"), signatureHash: 0)
        #expect(forText.parameterTypeNames == ["String"])
        #expect(try table.method(add, signatureHash: forText.signatureHash) === forText)
        #expect(try table.method(add, signatureHash: forNumber.signatureHash) === forNumber)
        let error = #expect(throws: TelekinesisError.self) { try table.method(add, signatureHash: 0) }
        #expect(error?.message.contains("add(_:)(Int), add(_:)(String)") == true)
    }

    @Test func everyMethodIsFoundByItsNameWithTypes() throws {
        for method in table.methods {
            #expect(try table.method(method.typedSelector, signatureHash: 0) === method)
            #expect(try table.method(method.selector, signatureHash: method.signatureHash) === method)
        }
    }

    @Test func anUnknownNameIsRefusedWithTheNamesThereAre() throws {
        let error = #expect(throws: TelekinesisError.self) { try table.method(Selector(rawValue: 42), signatureHash: 0) }
        #expect(error?.code == .noSuchMethod)
        // As they are declared, and of many the first ones.
        #expect(error?.message.contains("increment(by: Int) -> Int") == true)
        #expect(table.methods.count > 10 && error?.message.hasSuffix(", and \(table.methods.count - 10) more") == true)
        #expect(throws: TelekinesisError.self) { try table.method(Selector(rawValue: 0), signatureHash: 0) }
    }

    @Test func peopleMayLeaveOutWhatIsClear() throws {
        #expect(try table.method(named: "increment", labels: ["by"]).wireName == "increment(by:)")
        #expect(try table.method(named: "increment", labels: [nil]).wireName == "increment(by:)")
        #expect(try table.method(named: "increment(by:)", labels: [nil]).wireName == "increment(by:)")
        #expect(try table.method(named: "add(_:)(String)", labels: [nil]).parameterTypeNames == ["String"])
        #expect(throws: TelekinesisError.self) { try table.method(named: "increment", labels: ["from"]) }
        #expect(throws: TelekinesisError.self) { try table.method(named: "increment", labels: []) }
        let ambiguous = #expect(throws: TelekinesisError.self) { try table.method(named: "add", labels: [nil]) }
        #expect(ambiguous?.message.contains("add(_:)(Int)") == true)
    }

    @Test func genericMethodsAreListedAndRefused() throws {
        let method = try table.method(Selector(wireName: "generic(_:)"), signatureHash: 0)
        #expect(method.isGeneric)
        #expect(method.refusal?.contains("generic(_: A) -> A") == true)
        let box = try MethodTable.of(GenericBox<Int>.self)
        #expect(box.methods.map(\.wireName) == ["put(_:)"])
        #expect(box.methods.allSatisfy { $0.refusal != nil })
    }

    @Test func methodsOfExtensionsInOtherModulesAreFound() throws {
        let names = try MethodTable.of(Lamp.self).methods.map(\.wireName)
        #expect(names == ["blink(times:)", "toggle()"])
    }

    @Test func aMethodThatOnlyMentionsATypeIsNotOneOfIts() throws {
        let names = try MethodTable.of(Visitor.self).methods.map(\.wireName)
        #expect(names == ["visit(_:lamp:)"])
        #expect(!table.methods.contains { $0.wireName == "visit(_:lamp:)" })
    }

    @Test func nestedAndLocalTypesHaveTheirOwn() throws {
        distributed actor Local {
            typealias ActorSystem = LoopbackSystem
            distributed func here(_ value: Int) -> Int { value }
        }
        #expect(try MethodTable.of(Outer.Nested.self).methods.map(\.signature) == ["take(_: TelekinesisTests.Outer.Item)"])
        #expect(try MethodTable.of(Local.self).methods.map(\.signature) == ["here(_: Int) -> Int"])
    }

    @Test func privateTypesOfOneNameAreNotMixedUp() throws {
        #expect(try MethodTable.of(hiddenType()).methods.map(\.wireName) == ["first()"])
        #expect(try MethodTable.of(otherHiddenType()).methods.map(\.wireName) == ["second()"])
        #expect(try MethodTable.of(emptyHiddenType()).methods.isEmpty)
    }

    @Test func tablesAreMadeOnce() throws {
        #expect(try MethodTable.of(Counter.self) === table)
    }

    @Test func twoMethodsOfOneNameAndTypesAreRefused() throws {
        let error = #expect(throws: TelekinesisError.self) { try MethodTable(Counter.self, methods: table.methods + table.methods) }
        #expect(error?.code == .invalidUse)
    }

    @Test func signatureHashesAreThoseOfTheProtocol() throws {
        let thunk = try #require(ThunkName(demangled: "distributed thunk Shop.Counter.reset() async throws -> ()"))
        #expect(thunk.signature == "reset()")
        // FNV-1a-32 of "reset()", computed apart.
        #expect(thunk.signatureHash == 0x6df6_9cc3)
    }
}

private distributed actor Hidden {
    typealias ActorSystem = LoopbackSystem
    distributed func first() {}
}

private func hiddenType() -> any DistributedActor.Type { Hidden.self }

distributed actor GenericBox<Content: Codable & Sendable> {
    typealias ActorSystem = LoopbackSystem
    distributed func put(_ content: Content) {}
}

distributed actor Visitor {
    typealias ActorSystem = LoopbackSystem
    distributed func visit(_ counter: Counter, lamp: Lamp) -> Counter { counter }
}

extension Lamp {
    distributed func blink(times: Int) {}
}

enum Outer {
    struct Item: Codable, Sendable {}

    distributed actor Nested {
        typealias ActorSystem = LoopbackSystem
        distributed func take(_ item: Item) {}
    }
}
