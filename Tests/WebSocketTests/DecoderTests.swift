import Testing
import WebSocket

@Suite struct DecoderTests {
    /// The examples of RFC 6455 §5.7.
    @Test func examplesOfTheStandardAreRead() {
        var client = WebSocketDecoder(role: .client, maximumMessageSize: 1 << 20)
        #expect(client.hear([0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]) == [.text("Hello")])
        #expect(client.hear([0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F]) == [.text("Hello")])
        #expect(client.hear([0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]) == [.ping(Array("Hello".utf8))])
        #expect(client.hear([0x82, 0x7E, 0x01, 0x00] + [UInt8](repeating: 7, count: 256)) == [.binary([UInt8](repeating: 7, count: 256))])
        let long = [UInt8](repeating: 9, count: 65536)
        #expect(client.hear([0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + long) == [.binary(long)])
        #expect(serverHears([0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]) == [.text("Hello")])
        #expect(serverHears([0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]) == [.pong(Array("Hello".utf8))])
    }

    static let conversation: [UInt8] =
        masked(.binary, Array(0..<40)) + masked(.text, "κόσ", isFinal: false) + masked(.ping, "still there?")
        + masked(.continuation, "", isFinal: false) + masked(.continuation, Array("με 𝄞".utf8)) + masked(.pong, "")
        + masked(.binary, "") + masked(.binary, [UInt8](repeating: 5, count: 130)) + masked(.close, [0x03, 0xE9] + Array("bye".utf8))
    static let heard: [Heard] = [
        .binary(Array(0..<40)), .ping(Array("still there?".utf8)), .text("κόσμε 𝄞"), .pong([]), .binary([]),
        .binary([UInt8](repeating: 5, count: 130)), .close(WebSocketClose(code: 1001, reason: "bye")),
    ]

    @Test func conversationIsTheSameHoweverItIsCut() {
        let bytes = Self.conversation
        #expect(serverHears(bytes) == Self.heard)
        #expect(serverHears(bytes, cuts: Array(bytes.indices)) == Self.heard)
        for first in bytes.indices {
            for second in stride(from: first, to: bytes.count, by: 3) {
                #expect(serverHears(bytes, cuts: [first, second]) == Self.heard)
            }
        }
    }

    @Test func characterCutBetweenFragmentsIsWhole() {
        let text = Array("κόσμε𝄞".utf8)
        for cut in 0...text.count {
            let bytes = masked(.text, text[..<cut], isFinal: false) + masked(.continuation, text[cut...])
            #expect(serverHears(bytes) == [.text("κόσμε𝄞")])
        }
    }

    @Test func wholeMessageIsHandedOutWhereItLies() throws {
        var bytes = masked(.ping, "a") + masked(.binary, Array(0..<100))
        var decoder = WebSocketDecoder(role: .server, maximumMessageSize: 100)
        try bytes.withUnsafeMutableBytes { memory in
            var places: [Int] = []
            try decoder.receive(memory) { event in
                guard case .binary(let payload) = event, let base = memory.baseAddress, let place = payload.baseAddress else { return }
                places.append(base.distance(to: place))
            }
            #expect(places == [memory.count - 100])
        }
        #expect(decoder.isBetweenMessages && decoder.controlFrames == 1)
    }

    @Test func everythingBehindACloseIsIgnored() {
        let bytes = masked(.close, "") + masked(.binary, "late") + [0xFF, 0xFF]
        #expect(serverHears(bytes) == [.close(.unnamed)])
        #expect(serverHears(bytes, cuts: [6, 9]) == [.close(.unnamed)])
    }

    @Test func messageBeforeAFailureIsHandedOut() {
        #expect(serverHears(masked(.binary, "good") + [0xFF] + masked(.binary, "bad")) == [.binary(Array("good".utf8)), .failure(1002)])
    }

    @Test func limitCanBeRaised() {
        var decoder = WebSocketDecoder(role: .server, maximumMessageSize: 10)
        #expect(decoder.hear(masked(.binary, [UInt8](repeating: 0, count: 10))).count == 1)
        decoder.maximumMessageSize = 11
        #expect(decoder.hear(masked(.binary, [UInt8](repeating: 0, count: 11))) == [.binary([UInt8](repeating: 0, count: 11))])
        #expect(decoder.hear(masked(.binary, [UInt8](repeating: 0, count: 12))) == [.failure(1009)])
    }

    /// Random conversations, cut at random, against what was put in.
    @Test(arguments: 0..<60) func randomConversationsAreHeardAsSent(seed: UInt64) {
        var random = SplitMix(state: seed)
        var bytes: [UInt8] = []
        var sent: [Heard] = []
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            let size = [0, 1, 7, 125, 126, 300, 65535, 65536].randomElement(using: &random) ?? 0
            let payload = (0..<size).map { _ in UInt8.random(in: 0...127, using: &random) }
            let isText = Bool.random(using: &random)
            var pieces = [payload[...]]
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let last = pieces.removeLast()
                let cut = Int.random(in: last.startIndex...last.endIndex, using: &random)
                pieces += [last[..<cut], last[cut...]]
            }
            for (index, piece) in pieces.enumerated() {
                if index > 0, Bool.random(using: &random) {
                    bytes += masked(.ping, [UInt8(index)])
                    sent.append(.ping([UInt8(index)]))
                }
                let opcode = index > 0 ? WebSocketOpcode.continuation : isText ? .text : .binary
                bytes += masked(opcode, piece, isFinal: index == pieces.count - 1, key: UInt32.random(in: 0...(.max), using: &random))
            }
            sent.append(isText ? .text(String(decoding: payload, as: UTF8.self)) : .binary(payload))
        }
        let cuts = (0..<10).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
        #expect(serverHears(bytes, cuts: cuts) == sent)
    }
}

/// A small generator whose sequence depends on its seed alone (Steele, Lea, Flood: SplitMix64).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
