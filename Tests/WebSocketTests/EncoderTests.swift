import Testing

@testable import WebSocket

@Suite struct EncoderTests {
    @Test(arguments: [0, 1, 125, 126, 127, 65535, 65536, 100_000], [nil, 0x0403_0201] as [UInt32?])
    func framesAreReadAsWritten(length: Int, key: UInt32?) {
        let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
        let frame = WebSocketEncoder.frame(.binary, payload, maskKey: key)
        #expect(frame.count == length + WebSocketEncoder.headerSize(length: length, masked: key != nil))
        var decoder = WebSocketDecoder(role: key == nil ? .client : .server, maximumMessageSize: length)
        #expect(decoder.hear(frame) == [.binary(payload)])
    }

    @Test func headerStandsInFrontOfThePayloadInItsBuffer() {
        var buffer = [UInt8](repeating: 0xEE, count: 16) + Array("Hello".utf8)
        let begin = buffer.withUnsafeMutableBytes { WebSocketEncoder.seal(.text, payloadOf: $0, from: 16, maskKey: nil) }
        #expect(begin == 14 && Array(buffer[14...]) == [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
        #expect(buffer[..<14].allSatisfy { $0 == 0xEE })
    }

    @Test func maskingInPiecesOfAnyAlignmentIsMaskingByteByByte() {
        let key: [UInt8] = [0x11, 0x22, 0x44, 0x88]
        let word = key.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        for start in 0..<9 {
            for count in 0..<90 {
                let offset = start &* 7 &+ count
                var bytes = [UInt8](repeating: 0x5A, count: start + count)
                bytes.withUnsafeMutableBytes {
                    WebSocketMask.apply(word, to: UnsafeMutableRawBufferPointer(rebasing: $0[start...]), offset: offset)
                }
                let expected = (0..<count).map { 0x5A ^ key[(offset + $0) % 4] }
                #expect(Array(bytes[start...]) == expected && bytes[..<start].allSatisfy { $0 == 0x5A })
            }
        }
    }

    @Test func longReasonIsCutBetweenCharacters() {
        let close = WebSocketClose(code: 1001, reason: String(repeating: "é", count: 100))
        #expect(close.payload.count == 2 + 122)
        #expect(
            serverHears(masked(.close, close.payload)) == [.close(WebSocketClose(code: 1001, reason: String(repeating: "é", count: 61)))])
    }
}
