import Distributed
import MessagePack
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// What comes beside the arguments of a call, from whatever implementation: the provider checks it, and refuses that call alone.
@Suite(.timeLimit(.minutes(1))) struct CallMetadataTests {
    /// Calls `headers()` with metadata that this implementation would not send.
    private func call(_ clerk: Clerk, from caller: Node, with metadata: some Encodable) async throws -> [String: String] {
        try await call(clerk, from: caller, with: MessagePackEncoder().encode(metadata))
    }

    private func call(_ clerk: Clerk, from caller: Node, with metadata: [UInt8]) async throws -> [String: String] {
        var encoder = CallEncoder()
        var frame = encoder.frame(selector: Selector(wireName: "headers()"), signature: 0)
        let length = withUnsafeBytes(of: UInt32(metadata.count).littleEndian) { Array($0) }
        frame.bytes.insert(contentsOf: length + metadata, at: FrameType.call.headSize)
        let reply = try await caller.session.call(frame, to: clerk.id.target, flags: .metadata)
        return try reply.decode([String: String].self, on: caller)
    }

    private struct Metadata: Encodable {
        var headers: [String: String]?
        var trace: String?
        var padding: String?
        var report: [UInt8]?
    }

    @Test func whatIsNotAsItShouldBeIsRefusedWithAReason() async throws {
        let stage = try await ContextTests.Stage()
        let (clerk, caller) = (stage.clerk, stage.caller)
        func refusal(_ metadata: Metadata) async throws -> TelekinesisError {
            let error = try await failure { try await call(clerk, from: caller, with: metadata) }
            #expect(error.ran == .no)
            return error
        }
        func trace(_ text: String) -> Metadata { Metadata(trace: text) }
        let many = Dictionary(uniqueKeysWithValues: (0..<65).map { ("h\($0)", "") })
        #expect(try await refusal(Metadata(headers: many)).code == .tooLarge)
        let long = try await refusal(Metadata(headers: ["a": String(repeating: "x", count: 8192)]))
        #expect(long.code == .tooLarge && long.message.contains("headers"))
        #expect(try await refusal(Metadata(padding: String(repeating: "x", count: 16 * 1024))).code == .tooLarge)
        for (name, value) in [("", "x"), ("a b", "x"), ("a\n", "x"), ("größe", "x"), ("a", "x\r\ny"), ("a", "\u{0}")] {
            let error = try await refusal(Metadata(headers: [name: value]))
            #expect(error.code == .badArguments && error.message.contains("header"), "\(name): \(value)")
            #expect(!error.message.contains("\n"))
        }
        for text in ["", "00", "00-\(String(repeating: "0", count: 32))-b7ad6b7169203331-01", String(repeating: "x", count: 5000)] {
            let error = try await refusal(trace(text))
            #expect(error.code == .badArguments && error.message.contains("traceparent"))
        }
        #expect(try await refusal(Metadata(report: [1, 2, 3])).code == .badArguments)
        let noMap = try await failure { try await call(clerk, from: caller, with: [0x93, 1, 2]) }
        #expect(noMap.code == .badArguments)
        // The connection goes on, and what keeps the rules is taken.
        let fine = Metadata(headers: ["tenant": "größer"], trace: TraceContext().description)
        #expect(try await call(clerk, from: caller, with: fine) == ["tenant": "größer"])
        #expect(try await clerk.visits() == 1)
        #expect(caller.isIdle)
        try await eventually { stage.provider.isIdle }
        await stage.hub.stop()
    }

    @Test func ofALargeCallAsWell() async throws {
        let stage = try await ContextTests.Stage()
        try await stage.provider.publish(Probe(on: stage.provider), as: "demo/probe")
        let probe = try await stage.caller.resolve("demo/probe", as: Probe.self)
        var encoder = CallEncoder()
        try encoder.append([UInt8](repeating: 7, count: 300_000))
        var frame = encoder.frame(selector: Selector(wireName: "size(of:)"), signature: 0)
        let metadata = try MessagePackEncoder().encode(Metadata(trace: "00-none"))
        frame.bytes.insert(
            contentsOf: withUnsafeBytes(of: UInt32(metadata.count).littleEndian) { Array($0) } + metadata, at: FrameType.call.headSize)
        let reply = try await stage.caller.session.call(frame, to: probe.id.target, flags: .metadata)
        let error = try await failure { try reply.decode(Int.self, on: stage.caller) }
        #expect(error.code == .badArguments && error.ran == .no)
        #expect(try await probe.size(of: [UInt8](repeating: 7, count: 300_000)) == 300_000)
        await stage.hub.stop()
    }

    @Test func theCallerIsToldBeforeTheCallLeaves() async throws {
        let stage = try await ContextTests.Stage()
        for headers in [["a b": "x"], ["a": "x\n"]] {
            let error = try await failure { try await withHeaders(headers) { try await stage.clerk.headers() } }
            #expect(error.code == .badArguments && error.ran == .no)
        }
        await stage.hub.stop()
    }
}
