import Foundation
import JSONText
import MessagePack
import Testing

@Suite struct TranscodingTests {
    private func packed(_ write: (inout MessagePackWriter) -> Void) -> [UInt8] {
        var writer = MessagePackWriter()
        write(&writer)
        return writer.bytes
    }

    private func text(_ write: (inout MessagePackWriter) -> Void) throws -> String {
        String(decoding: try JSONText.fromMessagePack(packed(write)), as: UTF8.self)
    }

    private func fromJSON(_ text: String) throws -> [UInt8] { try JSONText.toMessagePack(Array(text.utf8)) }

    @Test func numbersBecomeIntegersWhereTheyAreSpelledSo() throws {
        for (text, value) in [("0", 0), ("-1", -1), ("127", 127), ("-9223372036854775808", .min), ("9223372036854775807", .max)]
            as [(String, Int64)]
        {
            #expect(try fromJSON(text) == packed { $0.write(value) })
        }
        #expect(try fromJSON("18446744073709551615") == packed { $0.write(UInt64.max) })
    }

    @Test(arguments: [
        "-0", "-0.0", "1.0", "1e2", "0.1", "-2.5e-3", "1e22", "1e23", "1.7976931348623157e308", "5e-324", "2.2250738585072014E-308",
        "1e-400", "18446744073709551616",
        "-9223372036854775809", "123456789.123456789", "9007199254740993.0", "0.30000000000000004", "3.14159265358979323846264338327950288",
        "1e-22", "4.35", "100e-2",
    ])
    func otherNumbersBecomeTheNearestFloat(text: String) throws {
        let value = try #require(Double(text))
        #expect(try fromJSON(text) == packed { $0.write(value) })
    }

    @Test func stringsLoseTheirEscapes() throws {
        #expect(try fromJSON(#""a\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00z""#) == packed { $0.write("a\"\\/\u{8}\u{c}\n\r\té€😀z") })
        #expect(try fromJSON(#""\u0000""#) == packed { $0.write("\0") })
        let long = String(repeating: "\\n", count: 70_000)
        #expect(try fromJSON("\"\(long)\"") == packed { $0.write(String(repeating: "\n", count: 70_000)) })
    }

    @Test func containersKeepTheirOrderAtEveryLength() throws {
        for count in [0, 1, 15, 16, 65_536] {
            let list = (0..<count).map { "\($0)" }.joined(separator: ",")
            #expect(try fromJSON("[\(list)]") == MessagePackEncoder().encode(Array(0..<count)))
            let object = (0..<count).map { "\"k\($0)\":{\"x\":[]}" }.joined(separator: ",")
            let packed = try fromJSON("{\(object)}")
            #expect(String(decoding: try JSONText.fromMessagePack(packed), as: UTF8.self) == "{\(object)}")
        }
    }

    @Test func whatJSONLacksBecomesText() throws {
        #expect(try text { $0.writeBinary([1, 2]) } == #""AQI=""#)
        #expect(
            try text { if let time = MessagePackTimestamp(seconds: 1, nanoseconds: 500_000_000) { $0.write(time) } }
                == #""1970-01-01T00:00:01.5Z""#)
        #expect(try text { $0.write(Int64(1) << 53) } == "9007199254740992")
        #expect(try text { $0.write(Int64(1) << 53 + 1) } == #""9007199254740993""#)
        #expect(try text { $0.write(Int64.min) } == #""-9223372036854775808""#)
        #expect(try text { $0.write(UInt64.max) } == #""18446744073709551615""#)
        #expect(try text { $0.write(Double.nan) } == #""NaN""#)
        #expect(try text { $0.write(Float.infinity) } == #""Infinity""#)
        #expect(try text { $0.write(-Double.infinity) } == #""-Infinity""#)
        #expect(try text { $0.write(Float(0.1)) } == "0.1")
        #expect(try text { $0.write(-0.0) } == "-0.0")
        #expect(try text { $0.write("\"\\/\u{8}\n\r\t\u{1f}\u{7f}é😀") } == "\"\\\"\\\\/\\u0008\\n\\r\\t\\u001f\u{7f}é😀\"")
    }

    @Test func whatJSONCannotSayIsRefused() {
        func code(_ bytes: [UInt8]) -> MessagePackError.Code? {
            #expect(throws: MessagePackError.self) { try JSONText.fromMessagePack(bytes) }?.code
        }
        #expect(code(packed { $0.writeExtension(type: 5, [1]) }) == .mismatch(expected: .timestamp, found: .extension))
        #expect(code([0x81, 0x01, 0x01]) == .mismatch(expected: .string, found: .integer))
        #expect(code(packed { if let time = MessagePackTimestamp(seconds: .max) { $0.write(time) } }) == .invalidTimestamp)
        #expect(code([0xd4, 0xff, 0]) == .invalidTimestamp)
        #expect(code([0xa1, 0xff]) == .invalidUTF8)
        #expect(code([0xc0, 0xc0]) == .trailingBytes)
        #expect(code([0x92, 0xc0]) == .truncated)
        #expect(code([0xdd, 0xff, 0xff, 0xff, 0xff]) == .truncated)
        #expect(code([UInt8](repeating: 0x91, count: 129) + [0xc0]) == .tooDeep)
        #expect(code([UInt8](repeating: 0x91, count: 100_000)) == .tooDeep)
    }

    @Test func valuesSurviveJSON() throws {
        struct Everything: Codable, Equatable {
            var large = Int64.max
            var small = UInt8(7)
            var ratio = 0.1
            var single = Float(0.1)
            var whole = 3.0
            var nothing: Int?
            var nan: [Double] = [.infinity, -.infinity]
            var bytes: [UInt8] = [0, 255]
            var data = Data([1])
            var date = Date(timeIntervalSince1970: 1_700_000_000.5)
            var text = "a\"\n\u{1}é"
            var nested = ["k": [true, false]]
            var wide = Int128.max
        }
        let text = try JSONText.fromMessagePack(MessagePackEncoder().encode(Everything()))
        let object = try #require(JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
        #expect(object["bytes"] as? String == "AP8=" && object["date"] as? String == "2023-11-14T22:13:20.5Z")
        #expect(try MessagePackDecoder(origin: .json).decode(Everything.self, from: JSONText.toMessagePack(text)) == Everything())
    }
}
