import Distributed
import Foundation
import Synchronization
import Telekinesis

// MARK: As the compiler codes them

struct Item: Codable {
    var name: String
    var price: Double
    var seen: Date?
    var wide: Int128?
    var twice: Int??
    var colour: Colour
    var tags: [String: [String]]

    enum CodingKeys: String, CodingKey {
        case name, price
        case seen = "seen-at"
        case wide, twice, colour, tags
    }
}

struct Empty: Codable {}

enum Colour: String, Codable {
    case red
    case dark = "very dark"
}

enum Level: UInt8, Codable { case low = 3, high }

enum Only: String, Codable { case only }

struct Flags: OptionSet, Codable { let rawValue: Int32 }

enum Shape: Codable {
    case circle(radius: Double)
    case label(String, size: Int?)
    case item(Item)
    case nothing
}

struct Tree: Codable {
    var value: Int
    var children: [Tree]
}

final class Linked: Codable { var next: Linked? }

indirect enum Term: Codable {
    case sum(Term, and: Term)
    case number(Int)
}

struct Branch: Codable {
    var twigs: Twig
    var name: String
}

indirect enum Twig: Codable {
    case branch(Branch)
    case leaf
}

/// Nothing can be a value of it.
struct Bottomless: Codable {
    final class Box: Codable { var content: Bottomless }
    var inner: Box
    var name: String
}

struct Page<Element: Codable>: Codable {
    struct Place: Codable { var index: Int }
    var elements: [Element]
    var next: Place?
}

struct Growing<Value: Codable>: Codable {
    init(from decoder: any Decoder) throws { _ = try decoder.singleValueContainer().decode(Growing<[Value]>.self) }
    func encode(to encoder: any Encoder) throws {}
}

class Base: Codable { var base = 0 }

final class Derived: Base {
    var derived = ""

    enum CodingKeys: CodingKey { case derived }

    required init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        derived = try container.decode(String.self, forKey: .derived)
        try super.init(from: container.superDecoder())
    }
}

final class Flat: Base {
    var flat = false

    enum CodingKeys: CodingKey { case flat }

    required init(from decoder: any Decoder) throws {
        flat = try decoder.container(keyedBy: CodingKeys.self).decode(Bool.self, forKey: .flat)
        try super.init(from: decoder)
    }
}

enum PrivateOnes {
    static var first: any Any.Type {
        struct Same: Codable { var one: Int }
        return Same.self
    }
    static var second: any Any.Type {
        struct Same: Codable { var two: Int }
        return Same.self
    }
}

// MARK: Handed over

distributed actor Listener {
    typealias ActorSystem = Node

    distributed func hear(_ number: Counting) -> String? { nil }
}

@Resolvable
protocol Listening: DistributedActor where ActorSystem == Node {
    distributed func heard(_ text: String)
}

struct Image: Storable {
    func store() async throws -> URL { URL(filePath: "/") }
    static func fetch(_ reference: URL) async throws -> Image { Image() }
}

struct Opaque {}

struct Session: Codable {
    var frames: RemoteStream<Int>
    var listener: Listener
    var user: String
    var age: Int?

    enum CodingKeys: String, CodingKey {
        case frames, listener
        case user = "user-name"
        case age
    }
}

struct Email: Codable {
    init(from decoder: any Decoder) throws {
        guard try decoder.singleValueContainer().decode(String.self).contains("@") else { throw Refused() }
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Account: Codable {
    var email: Email
    var owner: String
}

// MARK: With coders of their own

struct Refused: Error {}

struct Throwing: Codable {
    init(from decoder: any Decoder) throws { throw Refused() }
    func encode(to encoder: any Encoder) throws {}
}

struct AnyOf: Codable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if (try? container.decode(Bool.self)) != nil { return }
        if (try? container.decode(Int.self)) != nil { return }
        _ = try container.decode([AnyOf].self)
    }
    func encode(to encoder: any Encoder) throws {}
}

struct StringOrKeys: Codable {
    enum CodingKeys: CodingKey { case text }
    init(from decoder: any Decoder) throws {
        if (try? decoder.singleValueContainer().decode(String.self)) != nil { return }
        _ = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .text)
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Point: Codable {
    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        _ = (try container.decode(Double.self), try container.decode(Double.self))
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Loop: Codable {
    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        while !container.isAtEnd { _ = try? container.decode(String.self) }
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Counted: Codable {
    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        for _ in 0..<(container.count ?? 0) { _ = try container.decode(Date.self) }
    }
    func encode(to encoder: any Encoder) throws {}
}

struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

struct Bag: Codable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: AnyKey.self)
        for key in container.allKeys { _ = try container.decode(Int.self, forKey: key) }
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Nullable: Codable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if !container.decodeNil() { _ = try container.decode(Int.self) }
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Nested: Codable {
    enum CodingKeys: CodingKey { case position, list }
    enum Position: CodingKey { case x, y }
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let position = try container.nestedContainer(keyedBy: Position.self, forKey: .position)
        _ = (try position.decode(Int.self, forKey: .x), try position.decode(Int.self, forKey: .y))
        var list = try container.nestedUnkeyedContainer(forKey: .list)
        _ = (try list.decode(Bool.self), try list.decode(String.self))
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Asking: Codable {
    enum CodingKeys: CodingKey { case a, b }
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if container.contains(.a) { _ = try container.decode(Int.self, forKey: .a) }
        if try !container.decodeNil(forKey: .b) { _ = try container.decode(String.self, forKey: .b) }
    }
    func encode(to encoder: any Encoder) throws {}
}

enum Tagged: Codable {
    enum Kind: String, Codable { case number, text }
    case number(Int), text(String)
    enum CodingKeys: CodingKey { case kind, number, text }
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(Kind.self, forKey: .kind) {
        case .number: self = .number(try container.decode(Int.self, forKey: .number))
        case .text: self = .text(try container.decode(String.self, forKey: .text))
        }
    }
    func encode(to encoder: any Encoder) throws {}
}

/// An enumeration whose form is not the compiler's.
enum Sized: Codable {
    case small, large
    enum CodingKeys: CodingKey { case size }
    init(from decoder: any Decoder) throws {
        self = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .size) > 9 ? .large : .small
    }
    func encode(to encoder: any Encoder) throws {}
}

/// Cannot do without what it says may be missing.
struct Insisting: Codable {
    let a: Int
    let b: String
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard let a = try container.decodeIfPresent(Int.self, forKey: .a) else { throw Refused() }
        self.a = a
        b = try container.decode(String.self, forKey: .b)
    }
}

/// Refuses whatever is made up.
struct Picky: Codable {
    let number: Int
    init(from decoder: any Decoder) throws {
        number = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .number)
        throw Refused()
    }
}

struct Insatiable: Codable {
    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        while true { _ = try container.decode(Int.self) }
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Deep: Codable {
    init(from decoder: any Decoder) throws {
        var decoder = decoder
        while true { decoder = try decoder.container(keyedBy: AnyKey.self).superDecoder() }
    }
    func encode(to encoder: any Encoder) throws {}
}

/// Makes a new container whenever one is at its end.
struct ForeverAtEnd: Codable {
    init(from decoder: any Decoder) throws {
        while true {
            var container = try decoder.unkeyedContainer()
            while !container.isAtEnd { _ = try? container.decode(Int.self) }
        }
    }
    func encode(to encoder: any Encoder) throws {}
}

struct Itself: Codable {
    init(from decoder: any Decoder) throws { self = try decoder.singleValueContainer().decode(Itself.self) }
    func encode(to encoder: any Encoder) throws {}
}

struct Keeper: Codable {
    struct Kept: @unchecked Sendable { let value: any Decoder }
    static let kept = Mutex<Kept?>(nil)
    init(from decoder: any Decoder) throws { Self.kept.withLock { [kept = Kept(value: decoder)] in $0 = kept } }
    func encode(to encoder: any Encoder) throws {}
}

struct Counting: Codable {
    static let count = Mutex(0)
    enum CodingKeys: CodingKey { case number }
    init(from decoder: any Decoder) throws {
        Self.count.withLock { $0 += 1 }
        _ = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .number)
    }
    func encode(to encoder: any Encoder) throws {}
}
