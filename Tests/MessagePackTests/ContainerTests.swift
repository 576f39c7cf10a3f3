import MessagePack
import Testing

/// What hand-written `encode(to:)` and `init(from:)` do with their containers.
@Suite struct ContainerTests {
    class Animal: Codable {
        var name = "Ada"
        init() {}
    }

    /// Shares its superclass's map.
    final class Cat: Animal {
        var lives = 9
        private enum Key: CodingKey { case lives }
        override init() { super.init() }
        required init(from decoder: any Decoder) throws {
            lives = try decoder.container(keyedBy: Key.self).decode(Int.self, forKey: .lives)
            try super.init(from: decoder)
        }
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try super.encode(to: encoder)
            try container.encode(lives, forKey: .lives)
        }
    }

    /// Gives its superclass a map of its own.
    final class Dog: Animal {
        var tricks = ["sit"]
        private enum Key: CodingKey { case tricks }
        override init() { super.init() }
        required init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            tricks = try container.decode([String].self, forKey: .tricks)
            try super.init(from: container.superDecoder())
        }
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(tricks, forKey: .tricks)
            try super.encode(to: container.superEncoder())
        }
    }

    @Test func superclassesShareAContainerOrHaveTheirOwn() throws {
        let (encoder, decoder) = (MessagePackEncoder(), MessagePackDecoder())
        let (cat, dog) = (Cat(), Dog())
        cat.name = "Tom"
        cat.lives = 3
        dog.name = "Rex"
        #expect(try encoder.encode(cat) == encoder.encode(Ordered { try $0.map([("name", "Tom"), ("lives", 3)]) }))
        let tom = try decoder.decode(Cat.self, from: encoder.encode(cat))
        #expect(tom.name == "Tom" && tom.lives == 3)
        let rex = try decoder.decode([Dog].self, from: encoder.encode([dog, dog]))
        #expect(rex.map(\.name) == ["Rex", "Rex"] && rex.allSatisfy { $0.tricks == ["sit"] })
    }

    @Test func nestedContainersAreWrittenInPlace() throws {
        let bytes = try MessagePackEncoder().encode(
            Ordered { encoder in
                var map = encoder.container(keyedBy: Name.self)
                var inner = map.nestedContainer(keyedBy: Name.self, forKey: "inner")
                try inner.encode(1, forKey: "a")
                var list = map.nestedUnkeyedContainer(forKey: "list")
                try list.encode("x")
                try list.encodeNil()
                var deep = list.nestedUnkeyedContainer()
                try deep.encode(contentsOf: 0..<20)
                #expect(deep.count == 20)
                try list.encode(2.5)
                try map.encodeNil(forKey: "end")
            })
        #expect(
            try MessagePackDecoder().decode(Tree.self, from: bytes).description
                == "{inner:{a:1},list:[x,nil,\(Array(0..<20).tight),2.5],end:nil}")
    }

    /// The order in which values are encoded must not matter to where they end up.
    @Test func containersMayBeWrittenInTurns() throws {
        for rounds in [1, 7, 20] {
            let bytes = try MessagePackEncoder().encode(
                Ordered { encoder in
                    var list = encoder.unkeyedContainer()
                    var first = list.nestedUnkeyedContainer()
                    var second = list.nestedContainer(keyedBy: Name.self)
                    let third = list.superEncoder()
                    let unused = list.superEncoder()
                    var fourth = list.nestedUnkeyedContainer()
                    var inner = second.nestedUnkeyedContainer(forKey: "inner")
                    for round in 0..<rounds {
                        try first.encode(round)
                        try fourth.encode(Point())
                        try inner.encode(round)
                        try second.encode(round, forKey: Name("\(round)"))
                        if round == 0 { try "third".encode(to: third) }
                    }
                    _ = unused
                    try list.encode("last")
                })
            let numbers = (0..<rounds).map { "\($0)" }
            let tree = try MessagePackDecoder().decode(Tree.self, from: bytes)
            #expect(
                tree.description == "[[\(numbers.joined(separator: ","))],{inner:[\(numbers.joined(separator: ","))],"
                    + numbers.map { "\($0):\($0)" }.joined(separator: ",") + "},third,{},["
                    + Array(repeating: "{x:1,y:-2}", count: rounds).joined(separator: ",") + "],last]")
        }
    }

    @Test func aValueThatEncodesNothingIsAnEmptyMap() throws {
        struct Empty: Codable, Equatable {}
        #expect(try MessagePackEncoder().encode(Empty()) == [0x80])
        #expect(try MessagePackEncoder().encode([Ordered { _ in }]) == [0x91, 0x80])
        try roundTrip([Empty(), Empty()])
    }

    @Test func encodingTwiceOrTooLateIsAnError() throws {
        let encoder = MessagePackEncoder()
        #expect(throws: EncodingError.self) {
            try encoder.encode([
                Ordered {
                    var single = $0.singleValueContainer()
                    try single.encode(1)
                    try single.encode(2)
                }
            ])
        }
        #expect(throws: EncodingError.self) {
            try encoder.encode(
                Ordered {
                    _ = $0.container(keyedBy: Name.self)
                    var list = $0.unkeyedContainer()
                    _ = $0.unkeyedContainer()
                    try list.encode(1)
                    var map = $0.container(keyedBy: Name.self)
                    _ = map.superEncoder()
                    var nested = map.nestedUnkeyedContainer(forKey: "x")
                    _ = nested.superEncoder().container(keyedBy: Name.self)
                })
        }
        nonisolated(unsafe) var kept: (any UnkeyedEncodingContainer)?
        #expect(throws: EncodingError.self) {
            try encoder.encode([
                Ordered { kept = $0.unkeyedContainer() },
                Ordered {
                    _ = $0.unkeyedContainer()
                    try kept?.encode(1)
                },
            ])
        }
    }

    @Test func codingPathsLeadToTheContainerAtHand() throws {
        _ = try MessagePackEncoder().encode(
            Ordered { encoder in
                var map = encoder.container(keyedBy: Name.self)
                try map.encode(1, forKey: "first")
                var list = map.nestedUnkeyedContainer(forKey: "list")
                try list.encode(0)
                try list.encode(Ordered { #expect($0.codingPath.map(\.stringValue) == ["list", "Index 1"]) })
                #expect(list.codingPath.map(\.stringValue) == ["list"])
                #expect(map.superEncoder().codingPath.map(\.stringValue) == ["super"])
                #expect(map.codingPath.isEmpty)
            })
    }

    @Test func aFailedElementMayBeTriedAsAnotherType() throws {
        struct Either: Decodable {
            var values: [String] = []
            init(from decoder: any Decoder) throws {
                var list = try decoder.unkeyedContainer()
                while !list.isAtEnd {
                    if let number = try? list.decode(Int.self) {
                        values.append("\(number)")
                    } else if let point = try? list.decode(Point.self) {
                        values.append("\(point.x)")
                    } else {
                        values.append(try list.decode(String.self))
                    }
                }
                #expect(throws: DecodingError.self) { try list.decode(Int.self) }
            }
        }
        #expect(try MessagePackDecoder().decode(Either.self, from: hex("93 01 a1 78 82 a1 78 05 a1 79 06")).values == ["1", "x", "5"])
    }
}

/// Encodes what a closure says.
struct Ordered: Encodable {
    let body: (any Encoder) throws -> Void
    func encode(to encoder: any Encoder) throws { try body(encoder) }
}

struct Name: CodingKey, ExpressibleByStringLiteral {
    let stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init(stringLiteral name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
}

extension Encoder {
    func map(_ entries: [(Name, any Encodable)]) throws {
        var container = container(keyedBy: Name.self)
        for (name, value) in entries { try container.encode(value, forKey: name) }
    }
}

extension [Int] {
    var tight: String { "[\(map { "\($0)" }.joined(separator: ","))]" }
}

/// Any value, decoded by trying.
struct Tree: Decodable, CustomStringConvertible {
    let description: String

    init(from decoder: any Decoder) throws {
        if let map = try? decoder.container(keyedBy: Name.self) {
            description = "{\(try map.allKeys.map { "\($0.stringValue):\(try map.decode(Tree.self, forKey: $0))" }.joined(separator: ","))}"
        } else if var list = try? decoder.unkeyedContainer() {
            var elements: [String] = []
            while !list.isAtEnd { elements.append(try list.decode(Tree.self).description) }
            description = "[\(elements.joined(separator: ","))]"
        } else {
            let single = try decoder.singleValueContainer()
            description =
                if single.decodeNil() {
                    "nil"
                } else if let value = try? single.decode(Int.self) {
                    "\(value)"
                } else if let value = try? single.decode(Double.self) {
                    "\(value)"
                } else {
                    try single.decode(String.self)
                }
        }
    }
}
