import Distributed
import Foundation
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// The structure of types, as others are told it.
@Suite(.timeLimit(.minutes(1))) struct ShapeWalkTests {
    /// What a type is written as, and the named types that it speaks of.
    private func shape<Value>(of type: Value.Type) async throws -> (text: String, types: [String]) {
        let node = try await Node.connect(try ScriptedHub())
        let walk = ShapeWalk(on: node)
        let text = "\(walk.shape(of: type))"
        let types = walk.namedTypes.map { "\($0)".replacing("TelekinesisTests.", with: "") }
        await node.close()
        return (text.replacing("TelekinesisTests.", with: ""), types)
    }

    @Test func plainTypesAreWhatTheyAre() async throws {
        let all: [(any Any.Type, String)] = [
            (Bool.self, "Bool"), (Int.self, "Int"), (UInt8.self, "UInt8"), (Int32.self, "Int32"), (Float.self, "Float"),
            (Double.self, "Double"), (String.self, "String"), ([UInt8].self, "Bytes"), (Data.self, "Bytes"), (Date.self, "Date"),
            (UUID.self, "String"), (URL.self, "String"), (Int?.self, "Int?"), (Int??.self, "Int??"),
            ([String: [Int?]].self, "[String: [Int?]]"),
            (Set<Int>.self, "[Int]"), (Void.self, "Void"),
        ]
        for (type, text) in all {
            let found = try await shape(of: type)
            #expect(found.text == text && found.types.isEmpty, "\(found)")
        }
    }

    @Test func typesOfTheLibraryAreKnown() async throws {
        #expect(try await shape(of: RemoteFunction<(Int, String) -> [Int]>.self).text == "(Int, String) -> [Int]")
        #expect(try await shape(of: RemoteFunction<() -> Void>.self).text == "() -> Void")
        #expect(try await shape(of: RemoteStream<Double>.self).text == "stream of Double")
        #expect(try await shape(of: RemoteState<Int>.self).text == "state of Int")
        #expect(try await shape(of: Stored<[Int]>.self).text == "stored [Int]")
        #expect(try await shape(of: StoredData.self).text == "stored Bytes")
        #expect(try await shape(of: ShapeProbe.self).text == "ShapeProbe")
    }

    struct Item: Codable {
        enum CodingKeys: String, CodingKey { case name = "title", price, size, notes, maker }
        var name: String
        var price: Double
        var size: Size
        var notes: [String]?
        var maker: RemoteFunction<() -> Int>
    }

    enum Size: String, Codable { case small, large = "LARGE" }

    @Test func fieldsHaveTheirNamesOnTheWire() async throws {
        let found = try await shape(of: [Item].self)
        #expect(found.text == "[ShapeWalkTests.Item]")
        #expect(
            found.types == [
                "ShapeWalkTests.Item: {title: String, price: Double, size: ShapeWalkTests.Size, notes?: [String], maker: () -> Int}",
                "ShapeWalkTests.Size: String, one of small | LARGE",
            ])
    }

    indirect enum Figure: Codable {
        case empty
        case circle(radius: Double)
        case line(Int, Int, named: String?)
        case group([Figure])
        case tinted(Figure, Size)
    }

    @Test func casesHaveWhatTheyCarry() async throws {
        let found = try await shape(of: Figure.self)
        let figure = "ShapeWalkTests.Figure"
        #expect(
            found.types.first
                == "\(figure): one of empty | circle(radius: Double) | line(_0: Int, _1: Int, named?: String) | group(_0: [\(figure)]) "
                + "| tinted(_0: \(figure), _1: ShapeWalkTests.Size)")
        #expect(try await shape(of: Level.self).types == ["ShapeWalkTests.Level: Int, one of 1 | 5"])
        #expect(try await shape(of: Bare.self).types == ["ShapeWalkTests.Bare: one of a | b"])
        #expect(try await shape(of: Only.self).types == ["ShapeWalkTests.Only: one of one"])
    }

    enum Level: Int, Codable { case low = 1, high = 5 }
    enum Bare: Codable { case a, b }
    enum Only: Codable { case one }

    final class Tree: Codable {
        var value = 0
        var left: Tree?
        var others: [Tree] = []
        var byName: [String: Tree] = [:]
    }

    class Base: Codable { var id = 1 }
    final class Derived: Base {
        enum CodingKeys: CodingKey { case more }
        var more = "x"
        required init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            more = try container.decode(String.self, forKey: .more)
            try super.init(from: container.superDecoder())
        }
    }

    struct Pair<First: Codable, Second: Codable>: Codable {
        var first: First
        var second: Second
    }

    @Test func typesMayBeWithinThemselvesInheritAndBeGeneric() async throws {
        let tree = "ShapeWalkTests.Tree"
        #expect(
            try await shape(of: Tree.self).types == ["\(tree): {value: Int, left?: \(tree), others: [\(tree)], byName: [String: \(tree)]}"])
        #expect(try await shape(of: Derived.self).types == ["ShapeWalkTests.Derived: {more: String, super: {id: Int}}"])
        let pair = try await shape(of: Pair<Int, Pair<String, Bool>>.self)
        #expect(pair.text == "ShapeWalkTests.Pair<Int, ShapeWalkTests.Pair<String, Bool>>")
        #expect(pair.types.count == 2 && pair.types[0].hasSuffix("{first: Int, second: \(pair.types[1].prefix { $0 != ":" })}"))
    }

    /// Types that decode themselves by hand, each in a way that makes it hard.
    enum Odd {
        struct Newtype: Codable {
            var raw: Int
            init(from decoder: any Decoder) throws { raw = try decoder.singleValueContainer().decode(Int.self) }
        }
        struct Point: Codable {
            var x: Double, y: Double
            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                x = try container.decode(Double.self)
                y = try container.decode(Double.self)
            }
        }
        struct Listing: Codable {
            var all: [String] = []
            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                while !container.isAtEnd { all.append(try container.decode(String.self)) }
            }
        }
        struct Picky: Codable {
            enum CodingKeys: CodingKey { case code, rest }
            var code: String
            var rest: Int
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                code = try container.decode(String.self, forKey: .code)
                guard code.hasPrefix("#") else { throw CancellationError() }
                rest = try container.decode(Int.self, forKey: .rest)
            }
        }
        struct Endless: Codable {
            init(from decoder: any Decoder) throws { while true { _ = try decoder.container(keyedBy: Picky.CodingKeys.self) } }
        }
        struct Deep: Codable {
            var next: [Deep]
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                next = [try container.decode(Deep.self)]
            }
        }
        struct Silent: Codable { init(from decoder: any Decoder) throws { throw CancellationError() } }
        struct Empty: Codable {}
        struct Words: Codable {
            struct Key: CodingKey {
                var stringValue: String
                var intValue: Int? { nil }
                init(stringValue: String) { self.stringValue = stringValue }
                init?(intValue: Int) { nil }
            }
            var count = 0
            init(from decoder: any Decoder) throws { count = try decoder.container(keyedBy: Key.self).allKeys.count }
        }
        struct Nested: Decodable {
            enum CodingKeys: CodingKey { case inner, list }
            enum Inner: CodingKey { case depth }
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                _ = try container.nestedContainer(keyedBy: Inner.self, forKey: .inner).decode(Int.self, forKey: .depth)
                var list = try container.nestedUnkeyedContainer(forKey: .list)
                _ = try list.decode(Bool.self)
                _ = try list.decode(Int.self)
            }
        }
    }

    @Test func handWrittenTypesAreSeenAsFarAsTheyGo() async throws {
        let all: [(any Any.Type, String)] = [
            (Odd.Newtype.self, "Int"), (Odd.Point.self, "(Double, Double)"), (Odd.Listing.self, "[String]"),
            (Odd.Picky.self, "{code: String, rest: opaque}"), (Odd.Endless.self, "{code: opaque, rest: opaque}"),
            (Odd.Deep.self, "ShapeWalkTests.Odd.Deep"), (Odd.Silent.self, "ShapeWalkTests.Odd.Silent"), (Odd.Empty.self, "{}"),
            (Odd.Words.self, "{}"), (Odd.Nested.self, "{inner: {depth: Int}, list: (Bool, Int)}"),
        ]
        for (type, text) in all {
            let found = try await shape(of: type)
            #expect(found.types == ["\(found.text): \(text)"], "\(found)")
        }
    }

    @Test func shapesTravel() async throws {
        let type = NamedType(
            name: "a",
            shape: TypeShape(.record, fields: [FieldShape("b", TypeShape(.array, of: [TypeShape(.int, bits: 64)]), mayBeMissing: true)]),
            cases: [.init("c")])
        #expect(try JSONDecoder().decode(NamedType.self, from: JSONEncoder().encode(type)) == type)
        // A kind that is not known here yet.
        let later = try JSONDecoder().decode(TypeShape.self, from: Data(#"{"kind": "matrix", "rows": 3}"#.utf8))
        #expect(later == TypeShape(.opaque))
    }
}

distributed actor ShapeProbe {
    init(on node: Node) { actorSystem = node }
    distributed func nothing() {}
}
