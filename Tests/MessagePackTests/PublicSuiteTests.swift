import Foundation
import MessagePack
import Testing

/// The vectors of [msgpack-test-suite](https://github.com/kawanet/msgpack-test-suite) (MIT), where `MSGPACK_TEST_SUITE` names its
/// `dist/msgpack-test-suite.json`. They are not part of this project: `FormatTests` states the same behaviour without them.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["MSGPACK_TEST_SUITE"] != nil))
struct PublicSuiteTests {
    @Test func everyEncodingIsReadAndTheShortestWritten() throws {
        let path = try #require(ProcessInfo.processInfo.environment["MSGPACK_TEST_SUITE"])
        let suite = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: [[String: Any]]])
        var count = 0
        for cases in suite.values {
            for vector in cases {
                let encodings = try #require(vector["msgpack"] as? [String]).map(hex)
                let (kind, value) = try #require(
                    vector.first { $0.key == "bignum" } ?? vector.first { $0.key != "msgpack" })
                for encoding in encodings {
                    var reader = MessagePackReader(encoding)
                    #expect(try holds(&reader, kind, value) && reader.isAtEnd, "\(kind) \(value): \(encoding)")
                    count += 1
                }
                // The suite lists the encoding to be preferred first, or another of its length.
                let written = try write(kind, value)
                #expect(encodings.contains(written) && written.count == encodings.first?.count, "\(kind) \(value)")
            }
        }
        #expect(count == 233)
    }

    private func holds(_ reader: inout MessagePackReader, _ kind: String, _ value: Any) throws -> Bool {
        switch kind {
        case "nil": return reader.readNil()
        case "bool": return try reader.readBool() == value as? Bool
        case "binary": return try reader.readBinary() == (value as? String).map(hex)
        case "bignum":
            guard let number = (value as? String).flatMap(Int128.init) else { return false }
            if [0xca, 0xcb].contains(reader.bytes[reader.position]) { return try reader.readFloat(Double.self) == Double(number) }
            return try reader.readInteger() == number
        case "number": return try MessagePackDecoder(origin: .json).decode(Double.self, from: &reader) == (value as? NSNumber)?.doubleValue
        case "string": return try reader.readString() == value as? String
        case "array":
            let values = try #require(value as? [Any])
            guard try reader.readArrayHeader() == values.count else { return false }
            return try values.allSatisfy { try holds(&reader, kindOf($0), $0) }
        case "map":
            let values = try #require(value as? [String: Any])
            guard try reader.readMapHeader() == values.count else { return false }
            return try values.indices.allSatisfy { _ in
                let value = try values[reader.readString()]
                return try value.map { try holds(&reader, kindOf($0), $0) } ?? false
            }
        case "timestamp":
            let parts = try #require(value as? [Int64])
            return try reader.readTimestamp() == MessagePackTimestamp(seconds: parts[0], nanoseconds: UInt32(parts[1]))
        case "ext":
            let parts = try #require(value as? [Any])
            let (type, payload) = try reader.readExtension()
            return Int(type) == parts[0] as? Int && Array(reader.bytes[payload]) == (parts[1] as? String).map(hex)
        default: return false
        }
    }

    private func write(_ kind: String, _ value: Any) throws -> [UInt8] {
        var writer = MessagePackWriter()
        try write(kind, value, into: &writer)
        return writer.bytes
    }

    private func write(_ kind: String, _ value: Any, into writer: inout MessagePackWriter) throws {
        switch kind {
        case "nil": writer.writeNil()
        case "bool": writer.write(try #require(value as? Bool))
        case "binary": writer.writeBinary(hex(try #require(value as? String)))
        case "bignum": try MessagePackEncoder().encode(try #require((value as? String).flatMap(Int128.init)), into: &writer)
        case "number":
            let number = try #require(value as? NSNumber).doubleValue
            if let integer = Int64(exactly: number) { writer.write(integer) } else { writer.write(Float(exactly: number) ?? 0) }
        case "string": writer.write(try #require(value as? String))
        case "array":
            let values = try #require(value as? [Any])
            writer.writeArrayHeader(count: values.count)
            for value in values { try write(kindOf(value), value, into: &writer) }
        case "map":
            let values = try #require(value as? [String: Any])
            writer.writeMapHeader(count: values.count)
            for (key, value) in values {
                writer.write(key)
                try write(kindOf(value), value, into: &writer)
            }
        case "timestamp":
            let parts = try #require(value as? [Int64])
            writer.write(try #require(MessagePackTimestamp(seconds: parts[0], nanoseconds: UInt32(parts[1]))))
        default:
            let parts = try #require(value as? [Any])
            writer.writeExtension(type: Int8(try #require(parts[0] as? Int)), hex(try #require(parts[1] as? String)))
        }
    }

    private func kindOf(_ value: Any) -> String {
        switch value {
        case is NSNull: "nil"
        case is String: "string"
        case is [Any]: "array"
        case is [String: Any]: "map"
        case let number as NSNumber: isBoolean(number) ? "bool" : "number"
        default: "?"
        }
    }

    private func isBoolean(_ number: NSNumber) -> Bool { number.objCType.pointee == CChar(UInt8(ascii: "c")) }
}
