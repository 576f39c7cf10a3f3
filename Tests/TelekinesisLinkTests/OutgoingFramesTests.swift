import TelekinesisProtocol
import Testing
import WebSocket

@testable import TelekinesisLink

@Suite struct OutgoingFramesTests {
    private static func written(_ messages: [OutgoingMessage]) -> [UInt8] {
        var all: [UInt8] = []
        _ = messages.withBuffers { buffers in
            for buffer in buffers { all += buffer }
            return 0
        }
        return all
    }

    private static func payload(_ wire: [UInt8], role: WebSocketRole) throws -> [UInt8] {
        var decoder = WebSocketDecoder(role: role, maximumMessageSize: 1 << 20)
        var (wire, payload) = (wire, [] as [UInt8])
        try wire.withUnsafeMutableBytes { bytes in
            try decoder.receive(bytes) { if case .binary(let message) = $0 { payload += message } }
        }
        return payload
    }

    @Test(arguments: [nil, 0x1234_5678 as UInt32]) func tailIsPartOfTheFrameAndStaysAsItIs(maskKey: UInt32?) throws {
        let value = [UInt8](repeating: 42, count: 70_000)
        var message = OutgoingMessage(bytes: [UInt8](repeating: 0, count: 16) + [1, 2, 3], start: 16, tail: value[100...])
        message.seal(.binary, maskKey: maskKey)
        let wire = Self.written([message])
        #expect(try Self.payload(wire, role: maskKey == nil ? .client : .server) == [1, 2, 3] + value[100...])
        #expect(value.allSatisfy { $0 == 42 })
        // Only a mask is worth a copy.
        #expect((message.tail == nil) == (maskKey != nil))
    }

    @Test func restOfWhatWasWrittenInPartIsWhatIsLeft() {
        let messages = [
            OutgoingMessage(bytes: [0, 0, 1, 2], start: 2, tail: [3, 4, 5]),
            OutgoingMessage(bytes: [6, 7], start: 0),
            OutgoingMessage(bytes: [0, 8], start: 1, tail: [9, 10]),
        ]
        let all = Self.written(messages)
        #expect(all == Array(1...10))
        for written in 0...10 {
            var rest = messages
            rest.remove(written)
            #expect(Self.written(rest) == Array(all[written...]), "after \(written) bytes")
        }
    }
}
