import FoundationEssentials
import MessagePack

/// Whatever the bytes are, reading them ends in a value or an error; and a value read is the same when it is written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMessagePack(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    var reader = MessagePackReader(bytes)
    let isWellFormed = (try? reader.skip()) != nil

    for origin in [MessagePackDecoder.Origin.native, .json, .words] {
        let decoder = MessagePackDecoder(origin: origin)
        var successive = MessagePackReader(bytes)
        while let value = try? decoder.decode(Value.self, from: &successive) {
            guard isWellFormed, let written = try? MessagePackEncoder().encode(value),
                let again = try? MessagePackDecoder().decode(Value.self, from: written),
                again == value
            else { fatalError("\(value) does not survive") }
        }
        _ = try? decoder.decode([Record].self, from: bytes)
        _ = try? decoder.decode([String: [Int]].self, from: bytes)
        _ = try? decoder.decode([String: String].self, from: bytes)
        _ = try? decoder.decode([UInt8].self, from: bytes)
    }
    return 0
}

struct Record: Codable {
    enum Kind: Codable { case plain, sized(Int8), linked(to: [Kind]) }
    var id: UInt64
    var name: String?
    var ratio: Float?
    var wide: Int128?
    var kind: Kind?
    var data: Data?
    var date: Date?
    var parts: [Record]?
}

/// Any value, decoded by trying.
enum Value: Codable, Equatable {
    case null, bool(Bool), integer(Int128), float(UInt64), string(String), bytes([UInt8]), date(Date), array([Value]), map([String: Value])

    init(from decoder: any Decoder) throws {
        let single = try decoder.singleValueContainer()
        if single.decodeNil() {
            self = .null
        } else if let value = try? single.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? single.decode(Int64.self) {
            self = .integer(Int128(value))
        } else if let value = try? single.decode(UInt64.self) {
            self = .integer(Int128(value))
        } else if let value = try? single.decode(Double.self) {
            self = .float((value.isNaN ? .nan : value).bitPattern)
        } else if let value = try? single.decode(Date.self) {
            self = .date(value)
        } else if let value = try? single.decode(String.self) {
            self = .string(value)
        } else if let map = try? decoder.container(keyedBy: Key.self) {
            var values: [String: Value] = [:]
            for key in map.allKeys { values[key.stringValue] = try map.decode(Value.self, forKey: key) }
            self = .map(values)
        } else if var list = try? decoder.unkeyedContainer() {
            var values: [Value] = []
            while !list.isAtEnd { values.append(try list.decode(Value.self)) }
            self = .array(values)
        } else {
            self = .bytes(try single.decode([UInt8].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var single = encoder.singleValueContainer()
        switch self {
        case .null: try single.encodeNil()
        case .bool(let value): try single.encode(value)
        case .integer(let value): try single.encode(value)
        case .float(let bits): try single.encode(Double(bitPattern: bits))
        case .string(let value): try single.encode(value)
        case .bytes(let value): try single.encode(value)
        case .date(let value): try single.encode(value)
        case .array(let values): try single.encode(values)
        case .map(let values): try single.encode(values)
        }
    }

    struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
