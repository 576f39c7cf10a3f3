import Testing

@testable import WebSocket

@Suite struct HostilePeerTests {
    @Test(arguments: [0xC1, 0xA1, 0x91, 0xF2, 0x83, 0x87, 0x8B, 0x8F, 0x03, 0x0F] as [UInt8])
    func reservedBitsAndOpcodesAreRefusedAtTheFirstByte(byte: UInt8) {
        #expect(serverHears([byte]) == [.failure(1002)])
    }

    @Test func maskIsWhereItBelongs() {
        #expect(serverHears([0x82, 0x01]) == [.failure(1002)])
        var client = WebSocketDecoder(role: .client, maximumMessageSize: 10)
        #expect(client.hear([0x82, 0x81]) == [.failure(1002)])
    }

    @Test(
        arguments: [
            [0x89, 0xFE], [0x88, 0xFF], [0x09, 0x80], [0x08, 0x80], [0x0A, 0x80],
        ] as [[UInt8]])
    func longOrFragmentedControlFramesAreRefused(bytes: [UInt8]) {
        #expect(serverHears(bytes) == [.failure(1002)])
    }

    @Test(
        arguments: [
            ([0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 1002),  // top bit
            ([0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4], 1002),
            ([0x82, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 1009),  // 2^62 and silence
            ([0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4], 1009),
            ([0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4], 1002),  // longer than needed
            ([0x82, 0xFE, 0, 125, 1, 2, 3, 4], 1002),
        ] as [([UInt8], UInt16)])
    func impossibleLengthsAreRefusedBeforeThePayload(bytes: [UInt8], code: UInt16) {
        #expect(serverHears(bytes) == [.failure(code)])
        #expect(serverHears(bytes, cuts: Array(bytes.indices)) == [.failure(code)])
    }

    @Test func fragmentsAreRefusedWhereTheyDoNotBelong() {
        #expect(serverHears(masked(.continuation, "x")) == [.failure(1002)])
        #expect(serverHears(masked(.text, "x", isFinal: false) + masked(.text, "y")) == [.failure(1002)])
        #expect(serverHears(masked(.text, "x", isFinal: false) + masked(.binary, "y", isFinal: false)) == [.failure(1002)])
        #expect(serverHears(masked(.text, "x") + masked(.continuation, "y")) == [.text("x"), .failure(1002)])
    }

    @Test func fragmentsCountTogetherAgainstTheLimit() {
        let fragment = masked(.continuation, [UInt8](repeating: 0, count: 10), isFinal: false)
        let begin = masked(.binary, [UInt8](repeating: 0, count: 10), isFinal: false)
        #expect(serverHears(begin + fragment + fragment, limit: 29) == [.failure(1009)])
        #expect(serverHears(begin + fragment + fragment, limit: 30) == [])
    }

    @Test func emptyFragmentsComeToAnEnd() {
        let endless = masked(.binary, "", isFinal: false) + (0..<2000).flatMap { _ in masked(.continuation, "", isFinal: false) }
        #expect(serverHears(endless) == [.failure(1008)])
        let many = (0..<10).flatMap { _ in
            masked(.binary, "", isFinal: false) + (0..<500).flatMap { _ in masked(.continuation, "", isFinal: false) }
                + masked(.continuation, "")
        }
        #expect(serverHears(many).count == 10)
    }

    @Test func controlFramesAreCounted() {
        var decoder = WebSocketDecoder(role: .server, maximumMessageSize: 10)
        let flood = (0..<1000).flatMap { masked($0 % 2 == 0 ? .ping : .pong, "") }
        #expect(decoder.hear(flood).count == 1000)
        #expect(decoder.controlFrames == 1000)
    }

    @Test(
        arguments: [
            [0xC0], [0xC1], [0x80], [0xE0, 0x9F], [0xED, 0xA0], [0xF0, 0x8F], [0xF4, 0x90], [0xF5], [0xFF], [0xFE], [0xCE, 0x20],
            [0xE1, 0x80, 0x20], [0xF1, 0x80, 0x80, 0x20], [0xCE, 0xCE],
        ] as [[UInt8]])
    func textIsRefusedAtTheFirstImpossibleByte(bad: [UInt8]) {
        let bytes = masked(.text, Array("κόσμε, and some more".utf8) + bad + Array("rest".utf8))
        #expect(serverHears(bytes) == [.failure(1007)])
        // Cut behind the impossible byte, it is refused without the rest.
        let end = bytes.count - 4
        #expect(serverHears(Array(bytes[..<end])) == [.failure(1007)])
        #expect(serverHears(Array(bytes[..<(end - 1)])) == [])
        for cut in bytes.indices { #expect(serverHears(bytes, cuts: [cut]) == [.failure(1007)]) }
    }

    @Test func cutCharacterAtTheEndIsRefused() {
        #expect(serverHears(masked(.text, [0xE2, 0x82])) == [.failure(1007)])
        #expect(serverHears(masked(.text, [0xE2, 0x82]), cuts: [7]) == [.failure(1007)])
        #expect(serverHears(masked(.text, [0xE2], isFinal: false) + masked(.continuation, [0x82])) == [.failure(1007)])
    }

    @Test func checkerAgreesWithTheStandardLibrary() {
        var random = SplitMix(state: 1)
        let interesting: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5,
        ]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 1...12, using: &random)).map { _ in interesting.randomElement(using: &random) ?? 0 }
            var checker = UTF8Checker()
            let isText = bytes.withUnsafeBytes { checker.accepts($0) } && checker.isComplete
            #expect(isText == (String(validating: bytes, as: UTF8.self) != nil))
        }
    }

    @Test(arguments: [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] as [UInt16])
    func codesThatMustNotBeSentAreRefused(code: UInt16) {
        #expect(serverHears(masked(.close, [UInt8(code >> 8), UInt8(code & 0xFF)])) == [.failure(1002)])
        #expect(WebSocketClose(code: code, reason: "x").payload == [])
    }

    @Test(arguments: [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] as [UInt16])
    func codesOfTheStandardAndOfApplicationsAreRead(code: UInt16) {
        let close = WebSocketClose(code: code, reason: "why ✓")
        #expect(serverHears(masked(.close, close.payload)) == [.close(close)])
    }

    @Test func malformedClosesAreRefused() {
        #expect(serverHears(masked(.close, [0x03])) == [.failure(1002)])
        #expect(serverHears(masked(.close, [0x03, 0xE8, 0xC0])) == [.failure(1007)])
        #expect(serverHears(masked(.close, [0x03, 0xE8, 0xE2, 0x82])) == [.failure(1007)])
    }
}
