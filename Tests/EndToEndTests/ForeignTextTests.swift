import Distributed
import MessagePack
import TelekinesisHub
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What a caller writes where names, labels and values belong comes back in errors: always short, and with nothing in it that acts on whoever reads it.
@Suite(.timeLimit(.minutes(1))) struct ForeignTextTests {
    private enum Colour: String, Codable { case red, green }

    /// Fits no rule and no terminal.
    private static let nasty = [
        "\u{1b}[2J\r\n\u{202e}", String(repeating: "x", count: 100_000), String(repeating: "\u{301}", count: 50_000),
    ]

    private func isFitToBeRead(_ error: TelekinesisError, _ location: SourceLocation = #_sourceLocation) {
        let text = "\(error)"
        #expect(text.utf8.count < 4_000, sourceLocation: location)
        #expect(
            !text.unicodeScalars.contains { $0.value < 32 || $0.value == 0x202e || $0.value == 0x9b }, "\(text)", sourceLocation: location)
    }

    @Test(arguments: nasty.indices) func methodsAndLabels(_ index: Int) async throws {
        let text = Self.nasty[index]
        let trio = try await Trio()
        try await trio.provider.publish(Counter(on: trio.provider), as: "demo/counter")
        func refusal(_ words: String...) async throws -> TelekinesisError {
            try await failure { try await trio.caller.call("demo/counter", words: words) }
        }
        let unknown = try await refusal(text)
        #expect(unknown.code == .noSuchMethod && unknown.ran == .no)
        isFitToBeRead(unknown)
        let label = "x" + text.filter { $0.isLetter || $0.isNumber }
        for error in [try await refusal("increment", "\(label)=1"), try await refusal("add", "\(label)=1", "to=2", "label=x")] {
            #expect(error.code == .badArguments && error.ran == .no)
            isFitToBeRead(error)
        }
        // As JSON, where a label may be anything.
        let encoded = try JSONLabel(text).call(on: trio.caller)
        let json = try await failure { try await trio.caller.send(encoded, to: "demo/counter") }
        #expect(json.code == .badArguments && json.ran == .no)
        isFitToBeRead(json)
        #expect(try await trio.caller.call("demo/counter", words: ["increment", "by=5"]) == [5])
        await trio.hub.stop()
    }

    @Test(arguments: nasty.indices) func valuesAndKeys(_ index: Int) async throws {
        let text = Self.nasty[index]
        let trio = try await Trio()
        try await trio.provider.publish(function: "paint") { (colour: Colour) in colour == .red }
        try await trio.provider.publish(function: "nested") { (values: [String: [String: Int]]) in values.count }
        let paint = try await trio.caller.function("paint", as: ((String) -> Bool).self)
        let value = try await failure { try await paint(text) }
        let nested = try await trio.caller.function("nested", as: (([String: [String: String]]) -> Int).self)
        let key = try await failure { try await nested([text: [text: text]]) }
        for error in [value, key] {
            #expect(error.code == .badArguments && error.ran == .no)
            isFitToBeRead(error)
        }
        // And the other way: a result that its caller cannot read.
        try await trio.provider.publish(function: "result") { [text: [text: text]] }
        let result = try await trio.caller.function("result", as: (() -> [String: [String: Colour]]).self)
        let unreadable = try await failure { try await result() }
        #expect(unreadable.code == .badResult)
        isFitToBeRead(unreadable)
        await trio.hub.stop()
    }

    @Test(arguments: nasty.indices) func namesThatAreNone(_ index: Int) async throws {
        let text = Self.nasty[index]
        let trio = try await Trio()
        struct Request: Codable, Sendable { var name: String }
        let error = try await failure { try await trio.caller.control(HubService.withdraw, Request(name: text)) }
        #expect([.noSuchName, .tooLarge].contains(error.code))
        isFitToBeRead(error)
        let metadata = try await failure {
            try await withHeaders([text: "x"]) { try await trio.caller.function("paint", as: (() -> Bool).self)() }
        }
        isFitToBeRead(metadata)
        await trio.hub.stop()
    }
}

/// A call of `increment` with one argument under some label.
private struct JSONLabel {
    let text: String
    init(_ text: String) { self.text = text }

    func call(on node: Node) throws -> SplitBytes {
        var body = [UInt8](repeating: 0, count: FrameType.call.headSize + CallBody.fixedSize)
        body.withUnsafeMutableBytes {
            CallBody.writeFixed(
                UnsafeMutableRawBufferPointer(rebasing: $0[FrameType.call.headSize...]), selector: 0, signature: 0, encoding: .json,
                argumentCount: 0)
        }
        body += try MessagePackEncoder().encode("increment")
        let escaped = text.unicodeScalars.map {
            $0.value < 32 ? "\\u00" + ($0.value < 16 ? "0" : "") + String($0.value, radix: 16) : "\($0)"
        }
        body += Array(#"{"\#(escaped.joined())": 1}"#.utf8)
        return SplitBytes(body)
    }
}

extension Node {
    /// Sends a call that was made by hand.
    fileprivate func send(_ frame: SplitBytes, to name: String) async throws {
        let proxy = try await resolve(name, as: Counter.self)
        try await session.call(frame, to: proxy.id.target).throwError()
    }
}
