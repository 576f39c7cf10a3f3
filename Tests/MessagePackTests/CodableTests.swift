import Foundation
import MessagePack
import Testing

func roundTrip<Value: Codable & Equatable>(_ value: Value, at location: SourceLocation = #_sourceLocation) throws {
    let bytes = try MessagePackEncoder().encode(value)
    #expect(try MessagePackDecoder().decode(Value.self, from: bytes) == value, sourceLocation: location)
    var reader = MessagePackReader(bytes)
    try reader.skip()
    #expect(reader.isAtEnd, sourceLocation: location)
}

struct Point: Codable, Hashable {
    var x = 1
    var y = -2
}

struct Everything: Codable, Equatable {
    var bool = true
    var int = Int.min
    var int8 = Int8.min
    var int16 = Int16.min
    var int32 = Int32.min
    var int64 = Int64.max
    var int128 = Int128.min
    var uint = UInt.max
    var uint8 = UInt8.max
    var uint16 = UInt16.max
    var uint32 = UInt32.max
    var uint64 = UInt64.max
    var uint128 = UInt128.max
    var float = Float.pi
    var double = Double.pi
    var string = "grüße"
    var bytes: [UInt8] = [1, 2, 3]
    var data = Data([4, 5])
    var date = Date(timeIntervalSince1970: 1_700_000_000.25)
    var url = URL(string: "https://example.org/a?b=c")
    var uuid = UUID()
    var some: Int? = 5
    var none: Int?
    var points = [Point(), Point(x: 3, y: 4)]
    var optionals: [Int?] = [1, nil, 3]
    var nested = [[["a"], []], [[]]]
    var byName = ["a": Point(), "b": Point(x: 0, y: 0)]
    var byNumber = [1: "one", -2: "minus two"]
    var byPoint = [Point(): 1]
    var range = 1..<5
    var set: Set<Int> = [1, 2, 3]
}

enum Shape: Codable, Equatable {
    case empty
    case circle(Point, radius: Double)
    case named(String)
    indirect case group([Shape])
}

enum Color: String, Codable { case red, green }

@Suite struct CodableTests {
    @Test func valuesOfEveryKindSurvive() throws {
        try roundTrip(Everything())
        try roundTrip([Everything(), Everything()])
        try roundTrip([Shape.empty, .circle(Point(), radius: 1.5), .named("x"), .group([.empty, .group([.named("y")])])])
        try roundTrip([Color.red, .green])
        try roundTrip(["a": [1, 2, 3], "b": []])
        try roundTrip(Int?.none)
        try roundTrip([Int?.none, 5])
        try roundTrip(Int128(1) << 100)
        try roundTrip([Int64.max, .min])
        try roundTrip([Float.infinity, -0.0, .leastNonzeroMagnitude])
        try roundTrip([true, false])
        try roundTrip([Data([1]), Data()])
        try roundTrip([Date.distantPast, .distantFuture, Date(timeIntervalSinceReferenceDate: 0), Date(timeIntervalSince1970: -0.5)])
        try roundTrip((0..<70_000).map { Point(x: $0, y: -$0) })
        try roundTrip(Dictionary(uniqueKeysWithValues: (0..<70_000).map { ("key \($0)", Int8(truncatingIfNeeded: $0)) }))
    }

    @Test func structsAreMapsInTheOrderOfTheirProperties() throws {
        #expect(try MessagePackEncoder().encode(Point()) == hex("82 a1 78 01 a1 79 fe"))
    }

    @Test func bytesAndDatesHaveTheirOwnForms() throws {
        let encoder = MessagePackEncoder()
        #expect(try encoder.encode([UInt8]([1, 2])) == hex("c4 02 01 02"))
        #expect(try encoder.encode(Data([1, 2])) == hex("c4 02 01 02"))
        #expect(try encoder.encode(["b": Data([1])]) == hex("81 a1 62 c4 01 01"))
        #expect(try encoder.encode(Date(timeIntervalSince1970: 1)) == hex("d6 ff 00 00 00 01"))
        #expect(try encoder.encode(URL(string: "a:b")) == hex("a3 61 3a 62"))
    }

    @Test func aDateThatNoTimestampHoldsIsRefused() {
        for seconds in [Double.infinity, .nan, 1e19, -1e19] {
            let error = #expect(throws: EncodingError.self) {
                try MessagePackEncoder().encode(["when": [Date(timeIntervalSince1970: seconds)]])
            }
            guard case .invalidValue(_, let context) = error else { return #expect(Bool(false)) }
            #expect(context.codingPath.map(\.stringValue) == ["when", "Index 0"])
        }
    }

    @Test func absentOptionalsAreLeftOutAndUnknownKeysPassedOver() throws {
        struct Old: Codable, Equatable { var a: Int?; var b: Int?; var c: Int }
        struct New: Codable { var c = 1; var d = [["x": 1]]; var e = Data(count: 300); var f = Everything() }
        #expect(try MessagePackEncoder().encode(Old(c: 7)) == hex("81 a1 63 07"))
        #expect(try MessagePackDecoder().decode(Old.self, from: MessagePackEncoder().encode(New())) == Old(c: 1))
        #expect(try MessagePackDecoder().decode(Old.self, from: hex("83 a1 63 07 a1 62 05 a1 61 c0")) == Old(b: 5, c: 7))
    }

    @Test func byteArraysMayArriveAsArraysOfIntegers() throws {
        #expect(try MessagePackDecoder().decode([UInt8].self, from: hex("92 01 cc ff")) == [1, 255])
        #expect(throws: DecodingError.self) { try MessagePackDecoder().decode([UInt8].self, from: hex("91 cd 01 00")) }
    }

    @Test func valuesAreAppendedAndReadOneAfterAnother() throws {
        var writer = MessagePackWriter(appendingTo: [0xaa])
        let (encoder, decoder) = (MessagePackEncoder(), MessagePackDecoder())
        try encoder.encode(5, into: &writer)
        try encoder.encode(Point(), into: &writer)
        try encoder.encode(["x"], into: &writer)
        var reader = MessagePackReader(writer.bytes, in: 1..<writer.bytes.count)
        #expect(try decoder.decode(Int.self, from: &reader) == 5)
        #expect(try decoder.decode(Point.self, from: &reader) == Point())
        #expect(try decoder.decode([String].self, from: &reader) == ["x"])
        #expect(reader.isAtEnd)
    }

    @Test func aFailedValueLeavesNothingInTheBuffer() throws {
        struct Bad: Encodable { var a = 1; var b = [Date(timeIntervalSince1970: .nan)] }
        var writer = MessagePackWriter(appendingTo: [1, 2])
        #expect(throws: EncodingError.self) { try MessagePackEncoder().encode(Bad(), into: &writer) }
        #expect(writer.bytes == [1, 2])
    }

    @Test func userInfoIsThereInBothDirections() throws {
        let key = try #require(CodingUserInfoKey(rawValue: "told"))
        struct Told: Codable {
            init() {}
            init(from decoder: any Decoder) throws { #expect((decoder.userInfo.values.first as? Int) == 5) }
            func encode(to encoder: any Encoder) throws {
                #expect((encoder.userInfo.values.first as? Int) == 5)
                var container = encoder.singleValueContainer()
                try container.encode(1)
            }
        }
        var (encoder, decoder) = (MessagePackEncoder(), MessagePackDecoder())
        encoder.userInfo[key] = 5
        decoder.userInfo[key] = 5
        _ = try decoder.decode([Told].self, from: encoder.encode([Told()]))
    }

    @Test func errorsTellWhereTheyAre() {
        struct Outer: Decodable { var points: [Point] }
        let bytes = hex("81 a6 70 6f 69 6e 74 73 92 82 a1 78 01 a1 79 02 82 a1 78 01 a1 79 a1 7a")
        guard case .typeMismatch(let type, let context)? = decodingError(Outer.self, bytes) else { return #expect(Bool(false)) }
        #expect(ObjectIdentifier(type) == ObjectIdentifier(Int.self))
        #expect(context.codingPath.map(\.stringValue) == ["points", "Index 1", "y"])
        #expect(context.debugDescription == "Expected an integer, found a string at byte 22.")
        #expect((context.underlyingError as? MessagePackError)?.offset == 22)

        let shapes = hex("91 81 a6 63 69 72 63 6c 65 82 a2 5f 30 81 a1 78 c3 a6 72 61 64 69 75 73 01")
        guard case .typeMismatch(_, let inner)? = decodingError([Shape].self, shapes) else { return #expect(Bool(false)) }
        #expect(inner.codingPath.map(\.stringValue) == ["Index 0", "circle", "_0", "x"])
        guard case .typeMismatch(_, let element)? = decodingError([String: [Int]].self, hex("81 a1 6b 92 01 c3")) else {
            return #expect(Bool(false))
        }
        #expect(element.codingPath.map(\.stringValue) == ["k", "Index 1"])
        guard case .dataCorrupted(let twice)? = decodingError([Point].self, hex("91 82 a1 78 01 a1 78 02")) else {
            return #expect(Bool(false))
        }
        #expect(twice.codingPath.map(\.stringValue) == ["Index 0", "x"])

        guard case .keyNotFound(let key, _)? = decodingError(Point.self, hex("81 a1 78 01")) else { return #expect(Bool(false)) }
        #expect(key.stringValue == "y")
        guard case .valueNotFound? = decodingError(Int.self, hex("c0")) else { return #expect(Bool(false)) }
        guard case .dataCorrupted(let end)? = decodingError(Point.self, hex("82 a1 78 01 a1 79 02 00")) else { return #expect(Bool(false)) }
        #expect((end.underlyingError as? MessagePackError)?.code == .trailingBytes)
    }

    @Test func duplicateKeysAreRefused() {
        func code<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) -> MessagePackError.Code? {
            guard case .dataCorrupted(let context)? = decodingError(type, bytes) else { return nil }
            return (context.underlyingError as? MessagePackError)?.code
        }
        #expect(code(Point.self, hex("83 a1 78 01 a1 79 02 a1 78 03")) == .duplicateKey)
        #expect(code([String: Int].self, hex("82 a1 78 01 a1 78 01")) == .duplicateKey)
        #expect(code([String: Point].self, hex("82 a0 80 a0 80")) == .duplicateKey)
        let many = written {
            $0.writeMapHeader(count: 1001)
            for index in 0...1000 {
                $0.write("key \(index % 1000)")
                $0.writeNil()
            }
        }
        #expect(code([String: Point?].self, many) == .duplicateKey)
    }

    private func decodingError<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) -> DecodingError? {
        #expect(throws: DecodingError.self) { try MessagePackDecoder().decode(type, from: bytes) }
    }
}
