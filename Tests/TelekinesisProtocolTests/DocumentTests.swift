import Foundation
import JSONText
import MessagePack
import Testing

@testable import TelekinesisProtocol

/// The byte examples of Design/protocol.md are what this code writes.
@Suite struct DocumentTests {
    /// The bytes of an example of the document.
    static func example(_ name: String) throws -> [UInt8] {
        try block(name, "text").split(whereSeparator: \.isWhitespace).map { try #require(UInt8($0, radix: 16), "\($0)") }
    }

    /// An example of the document.
    static func block(_ name: String, _ language: String) throws -> String {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Design/protocol.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let after = try #require(text.components(separatedBy: "<!-- example: \(name) -->\n```\(language)\n").dropFirst().first)
        return try #require(after.components(separatedBy: "```").first)
    }

    /// Bytes as the document shows them.
    static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.enumerated().map { ($0 % 16 == 0 ? "\n" : $0 % 8 == 0 ? "  " : " ") + String(format: "%02x", $1) }.joined()
    }

    @Test func callIsAsDocumented() throws {
        var bytes = [UInt8](repeating: 0, count: FrameType.call.headSize + CallBody.fixedSize) + [5]
        bytes.withUnsafeMutableBytes {
            FrameWriter.call(over: $0, flags: [], peer: .hub, call: 3, target: .route(1), remaining: 30_000)
            CallBody.writeFixed(
                UnsafeMutableRawBufferPointer(rebasing: $0[FrameType.call.headSize...]),
                selector: Selector(wireName: "increment(by:)").rawValue, signature: 0, encoding: .messagePack, argumentCount: 1)
        }
        #expect(try Self.example("call") == bytes, "\(Self.hexadecimal(bytes))")
    }

    @Test func replyIsAsDocumented() throws {
        var bytes = [UInt8](repeating: 0, count: FrameHead.size) + [Encoding.messagePack.rawValue, 105]
        bytes.withUnsafeMutableBytes {
            FrameWriter.reply(over: $0, flags: .routed, peer: NodeID(rawValue: 0x1122_3344_5566_7788), call: 3)
        }
        #expect(try Self.example("reply") == bytes, "\(Self.hexadecimal(bytes))")
    }

    @Test func callInJSONIsAsDocumented() throws {
        var bytes = [UInt8](repeating: 0, count: FrameType.call.headSize + CallBody.fixedSize) + Array(#"{"by":5}"#.utf8)
        bytes.withUnsafeMutableBytes {
            FrameWriter.call(over: $0, flags: [], peer: .hub, call: 4, target: .route(1), remaining: 30_000)
            CallBody.writeFixed(
                UnsafeMutableRawBufferPointer(rebasing: $0[FrameType.call.headSize...]),
                selector: Selector(wireName: "increment(by:)").rawValue, signature: 0, encoding: .json, argumentCount: 1)
        }
        #expect(try Self.example("JSON call") == bytes, "\(Self.hexadecimal(bytes))")
        var reply = [UInt8](repeating: 0, count: FrameHead.size) + [Encoding.json.rawValue] + Array("105".utf8)
        reply.withUnsafeMutableBytes {
            FrameWriter.reply(over: $0, flags: .routed, peer: NodeID(rawValue: 0x1122_3344_5566_7788), call: 4)
        }
        #expect(try Self.example("JSON reply") == reply, "\(Self.hexadecimal(reply))")
    }

    @Test func referenceInJSONIsAsDocumented() throws {
        let halves = [0x1122_3344_5566_7788, 1, 2].map { NodeID(rawValue: $0).description }
        let bytes = [Encoding.json.rawValue] + Array(#"{"$ref":"ref:\#(halves.joined())"}"#.utf8)
        #expect(try Self.example("JSON reference") == bytes, "\(Self.hexadecimal(bytes))")
    }

    @Test func requestToPublishIsAsDocumented() throws {
        let request = PublishRequest(
            name: try ServiceName("demo/counter"), key: ActorKey(low: 1, high: 2), kind: .object, sharing: .exclusive, encoding: .json)
        let bytes = try MessagePackEncoder().encode(request)
        #expect(try Self.example("publish") == bytes, "\(Self.hexadecimal(bytes))")
    }

    @Test func watchingIsAsDocumented() throws {
        let request = try MessagePackEncoder().encode(WatchRequest(prefix: "demo/", after: 7))
        #expect(try Self.example("watch request") == request, "\(Self.hexadecimal(request))")
        let answer = try MessagePackEncoder().encode(WatchAnswer(number: 8, names: [WatchedName(name: "demo/a", end: .gone)]))
        #expect(try Self.example("watch answer") == answer, "\(Self.hexadecimal(answer))")
    }

    @Test func storedValueIsAsDocumented() throws {
        // The SHA-256 of "abc" (FIPS 180-2, appendix B.1).
        let digest = try #require(ContentDigest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
        let form = StoredForm(reference: StoredReference(digest: digest, size: 100_000), kind: 0)
        let bytes = try MessagePackEncoder().encode(form)
        #expect(try Self.example("stored") == bytes, "\(Self.hexadecimal(bytes))")
    }

    @Test func requestToReserveIsAsDocumented() throws {
        let request = ReserveRequest(name: try ServiceName("demo/gpu"), route: 7, wait: true, lease: 15_000)
        let bytes = try MessagePackEncoder().encode(request)
        #expect(try Self.example("reserve") == bytes, "\(Self.hexadecimal(bytes))")
    }

    @Test func descriptionIsAsDocumented() throws {
        let item = TypeDescription.named("Shop.Item")
        let description = ServiceDescription(
            kind: .object, type: "Shop.Store",
            methods: [
                MethodDescription(
                    name: "add(_:)", signature: "add(_: Shop.Item) -> Int", labels: ["_"], parameterTypes: ["Shop.Item"], resultType: "Int",
                    throws: true, parameters: [item], result: .integer(bits: 64, signed: true))
            ],
            types: [
                TypeDefinition(
                    name: "Shop.Colour",
                    type: .rawEnumeration(
                        .string, [RawCase(name: "red", value: .string("red")), RawCase(name: "dark", value: .string("d"))])),
                TypeDefinition(
                    name: "Shop.Item",
                    type: .structure([
                        FieldDescription(name: "colour", type: .named("Shop.Colour")),
                        FieldDescription(name: "parts", type: .array(item), isOptional: true),
                        FieldDescription(name: "shape", type: .named("Shop.Shape")),
                    ])),
                TypeDefinition(
                    name: "Shop.Shape",
                    type: .enumeration([
                        FieldDescription(name: "circle", type: .structure([FieldDescription(name: "radius", type: .double)])),
                        FieldDescription(name: "none", type: .structure([])),
                    ])),
            ])
        let json = String(decoding: try JSONText.fromMessagePack(MessagePackEncoder().encode(description)), as: UTF8.self)
        // The document breaks lines between values.
        let example = try Self.block("description", "json").split(separator: "\n").map { $0.drop { $0 == " " } }.joined()
        #expect(example == json, "\(json)")
    }

    @Test func firstMessageIsAsDocumented() throws {
        let hello = NodeHello(agent: "example", nonce: [UInt8](repeating: 1, count: 16), methods: [], ticket: nil, maximumValue: nil)
        var lanes = Lanes(transportHeadroom: 0)
        try NodeHandshake(hello, credentials: [OpenAccess()]).start().withUnsafeBytes { lanes.append($0, to: .urgent) }
        let next = lanes.next(received: 0)
        let message = try #require(next).bytes
        #expect(try Self.example("hello") == message, "\(Self.hexadecimal(message))")
    }
}
