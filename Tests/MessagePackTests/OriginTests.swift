import Foundation
import MessagePack
import Testing

/// What may stand for what when a value comes from JSON text or from a command line.
@Suite struct OriginTests {
    private let json = MessagePackDecoder(origin: .json)
    private let words = MessagePackDecoder(origin: .words)

    private func decode<Value: Decodable>(_ type: Value.Type = Value.self, _ text: String, by decoder: MessagePackDecoder) throws -> Value {
        try decoder.decode(type, from: MessagePackEncoder().encode(text))
    }

    @Test func jsonIntegersMayBeStringsOrFloats() throws {
        #expect(try decode(Int64.self, "9223372036854775807", by: json) == .max)
        #expect(try decode(Int8.self, "-128", by: json) == .min)
        #expect(try decode(UInt128.self, "340282366920938463463374607431768211455", by: json) == .max)
        #expect(try json.decode(Int.self, from: MessagePackEncoder().encode(3.0)) == 3)
        #expect(try json.decode([Int].self, from: MessagePackEncoder().encode([3.0, -0.0])) == [3, 0])
        for text in ["", " 1", "1.0", "0x1", "128", "one"] {
            #expect(throws: DecodingError.self) { try decode(Int8.self, text, by: json) }
        }
        for number in [1.5, 0x1p54, .nan, .infinity] {
            #expect(throws: DecodingError.self) { try json.decode(Int.self, from: MessagePackEncoder().encode(number)) }
        }
        #expect(throws: DecodingError.self) { try decode(Int.self, "1", by: MessagePackDecoder()) }
        #expect(throws: DecodingError.self) { try MessagePackDecoder().decode(Int.self, from: MessagePackEncoder().encode(1.0)) }
    }

    @Test func jsonFloatsAreRoundedAndMayBeNamed() throws {
        #expect(try json.decode(Float.self, from: MessagePackEncoder().encode(0.1)) == 0.1)
        #expect(try json.decode(Double.self, from: MessagePackEncoder().encode(Int64.max)) == 0x1p63)
        #expect(try decode(Double.self, "NaN", by: json).isNaN)
        #expect(try decode(Float.self, "Infinity", by: json) == .infinity)
        #expect(try decode([Double].self, from: ["-Infinity"], by: json) == [-.infinity])
        #expect(throws: DecodingError.self) { try decode(Double.self, "1.5", by: json) }
        #expect(throws: DecodingError.self) { try json.decode(Float.self, from: MessagePackEncoder().encode(1e300)) }
    }

    @Test func jsonDatesAndBytesAreText() throws {
        #expect(try decode(Date.self, "1970-01-01T00:00:01.5Z", by: json) == Date(timeIntervalSince1970: 1.5))
        #expect(try decode(Data.self, "AQI=", by: json) == Data([1, 2]))
        #expect(try decode([UInt8].self, "AQI=", by: json) == [1, 2])
        #expect(throws: DecodingError.self) { try decode(Date.self, "yesterday", by: json) }
        #expect(throws: DecodingError.self) { try decode(Data.self, "A", by: json) }
        #expect(throws: DecodingError.self) { try decode(Data.self, "AQI=", by: MessagePackDecoder()) }
        #expect(throws: DecodingError.self) { try decode(Date.self, "1970-01-01T00:00:01Z", by: MessagePackDecoder()) }
    }

    @Test func wordsAreParsed() throws {
        struct Options: Codable, Equatable { var count: Int?; var ratio = 1.5; var loud = true; var name = "5"; var size: UInt8 = 7 }
        let given = ["count": "-5", "ratio": "2.5e1", "loud": "false", "name": "true", "size": "255"]
        let options = try words.decode(Options.self, from: MessagePackEncoder().encode(given))
        #expect(options == Options(count: -5, ratio: 25, loud: false, name: "true", size: 255))
        for text in ["", "yes", "True", "1"] { #expect(throws: DecodingError.self) { try decode(Bool.self, text, by: words) } }
        for text in ["", "x", "1e999", "inf", "nan"] { #expect(throws: DecodingError.self) { try decode(Double.self, text, by: words) } }
        #expect(throws: DecodingError.self) { try decode(Bool.self, "true", by: json) }
        #expect(try words.decode(Bool.self, from: [0xc3]))
        #expect(try decode(Date.self, "1970-01-01T00:00:00Z", by: words) == Date(timeIntervalSince1970: 0))
    }

    private func decode<Value: Decodable>(_ type: Value.Type, from strings: [String], by decoder: MessagePackDecoder) throws -> Value {
        try decoder.decode(type, from: MessagePackEncoder().encode(strings))
    }
}
