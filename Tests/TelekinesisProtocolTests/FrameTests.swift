import Testing

@testable import TelekinesisProtocol

/// Looks at the first frame in some bytes.
@discardableResult
func look<Result>(_ bytes: some Sequence<UInt8>, _ body: (Frame) throws -> Result) throws -> Result {
    let bytes = Array(bytes)
    return try bytes.withUnsafeBytes { try body(Frame(checking: $0)) }
}

@Suite struct FrameTests {
    static func callFrame(body: [UInt8] = [1, 2, 3]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: FrameType.call.headSize) + body
        bytes.withUnsafeMutableBytes {
            FrameWriter.call(
                over: $0, flags: .resultKey, peer: NodeID(rawValue: 7), call: 9, target: .key(ActorKey(low: 1, high: 2)), remaining: 500)
        }
        return bytes
    }

    @Test func callIsReadAsItWasWritten() throws {
        try look(Self.callFrame()) { frame in
            #expect(frame.type == .call)
            #expect(frame.peer == NodeID(rawValue: 7))
            #expect(frame.call == 9)
            #expect(frame.key == ActorKey(low: 1, high: 2))
            #expect(frame.remaining == 500)
            #expect(CallFlags(rawValue: frame.flags) == .resultKey)
            #expect([UInt8](frame.body) == [1, 2, 3])
        }
    }

    @Test func routedCallBecomesACallOnTheProvidersObject() throws {
        var bytes = [UInt8](repeating: 0, count: 48)
        bytes.withUnsafeMutableBytes {
            FrameWriter.call(over: $0, flags: .mayWait, peer: .hub, call: 1, target: .route(77), remaining: .max)
        }
        try look(bytes) { frame in
            #expect(frame.route == 77)
            #expect(CallFlags(rawValue: frame.flags) == [.route, .mayWait])
        }
        let key = ActorKey(low: 5, high: 6)
        bytes.withUnsafeMutableBytes { FramePatch(peer: NodeID(rawValue: 3), key: key, remaining: 4).apply(to: $0) }
        try look(bytes) { frame in
            #expect(frame.key == key)
            #expect(frame.peer == NodeID(rawValue: 3))
            #expect(frame.remaining == 4)
            #expect(frame.flags == 0)
        }
    }

    @Test func frameCutAtAnyByteIsRefused() {
        let bytes = Self.callFrame()
        for length in 0..<bytes.count {
            #expect(throws: TelekinesisError.self) { try look(bytes.prefix(length)) { _ in } }
        }
    }

    @Test(arguments: [0, 1, 23, FrameHead.maximumFrame + 1, Int(UInt32.max), Int(Int32.max)])
    func impossibleLengthIsRefused(_ length: Int) {
        var bytes = Self.callFrame()
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: UInt32(length).littleEndian, as: UInt32.self) }
        #expect(throws: TelekinesisError.self) { try look(bytes) { _ in } }
    }

    @Test func frameShorterThanTheHeadOfItsTypeIsRefused() {
        for type: FrameType in [.call, .data, .credit, .release, .share] {
            var bytes = FrameWriter.frame(type)
            bytes.removeLast()
            bytes.withUnsafeMutableBytes { $0.storeBytes(of: UInt32($0.count).littleEndian, as: UInt32.self) }
            #expect(throws: TelekinesisError.self) { try look(bytes) { _ in } }
        }
    }

    @Test func unknownTypeIsIgnoredOnlyWithTheHighBit() throws {
        var bytes = FrameWriter.frame(.ping)
        bytes[4] = 0x80 | 33
        try look(bytes) { #expect($0.type == nil) }
        bytes[4] = 33
        #expect(throws: TelekinesisError.self) { try look(bytes) { _ in } }
    }

    @Test func callBodyIsTakenApart() throws {
        let key = ActorKey(low: 3, high: 4)
        var body = [UInt8](repeating: 0, count: 16)
        body.withUnsafeMutableBytes { key.store(in: $0, at: 0) }
        body += [2, 0, 0, 0, 0x80, 0xc0]  // metadata: two bytes
        body += [1, 0] + [UInt8](repeating: 9, count: 24)  // one reference
        let fixed = body.count
        body += [UInt8](repeating: 0, count: CallBody.fixedSize) + [0x05]
        body.withUnsafeMutableBytes {
            CallBody.writeFixed(
                UnsafeMutableRawBufferPointer(rebasing: $0[fixed...]), selector: 11, signature: 12, encoding: .words, argumentCount: 1)
        }
        let parsed = try CallBody(parsing: body, flags: [.resultKey, .metadata, .references])
        #expect(parsed.resultKey == key)
        #expect(Array(body[parsed.metadata]) == [0x80, 0xc0])
        #expect(parsed.references.count == 26)
        #expect(parsed.selector == 11)
        #expect(parsed.signature == 12)
        #expect(parsed.encoding == .words)
        #expect(parsed.argumentCount == 1)
        #expect(Array(body[parsed.argumentsStart...]) == [0x05])
        for length in 0..<parsed.argumentsStart {
            #expect(throws: TelekinesisError.self) {
                try CallBody(parsing: Array(body.prefix(length)), flags: [.resultKey, .metadata, .references])
            }
        }
    }

    @Test func callBodyWithAnEndlessMetadataLengthIsRefused() {
        let body: [UInt8] = [0xff, 0xff, 0xff, 0xff] + [UInt8](repeating: 0, count: 64)
        #expect(throws: TelekinesisError.self) { try CallBody(parsing: body, flags: .metadata) }
    }
}
