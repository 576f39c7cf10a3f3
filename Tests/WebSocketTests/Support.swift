import WebSocket

/// An event with its own copy of the bytes.
enum Heard: Equatable {
    case binary([UInt8])
    case text(String)
    case ping([UInt8])
    case pong([UInt8])
    case close(WebSocketClose)
    case failure(UInt16)

    init(_ event: WebSocketEvent) {
        switch event {
        case .binary(let bytes): self = .binary(Array(bytes))
        case .text(let bytes): self = .text(String(decoding: bytes, as: UTF8.self))
        case .ping(let bytes): self = .ping(Array(bytes))
        case .pong(let bytes): self = .pong(Array(bytes))
        case .close(let close): self = .close(close)
        }
    }
}

extension WebSocketDecoder {
    /// Gives the decoder a copy of `bytes` cut at the offsets `cuts`, and collects what it says; a failure is the last.
    mutating func hear(_ bytes: [UInt8], cuts: [Int] = []) -> [Heard] {
        var heard: [Heard] = []
        var start = 0
        for end in cuts + [bytes.count] {
            var piece = Array(bytes[start..<end])
            start = end
            let failure = piece.withUnsafeMutableBytes { piece in
                do throws(WebSocketFailure) {
                    try receive(piece) { heard.append(Heard($0)) }
                    return WebSocketFailure?.none
                } catch {
                    return error
                }
            }
            if let failure { heard.append(.failure(failure.code)) }
        }
        return heard
    }
}

/// What a fresh server hears of `bytes` sent by a client.
func serverHears(_ bytes: [UInt8], cuts: [Int] = [], limit: Int = 1 << 20) -> [Heard] {
    var decoder = WebSocketDecoder(role: .server, maximumMessageSize: limit)
    return decoder.hear(bytes, cuts: cuts)
}

/// A frame of a client.
func masked(_ opcode: WebSocketOpcode, _ payload: some Collection<UInt8>, isFinal: Bool = true, key: UInt32 = 0xA1B2_C3D4) -> [UInt8] {
    WebSocketEncoder.frame(opcode, isFinal: isFinal, payload, maskKey: key)
}

func masked(_ opcode: WebSocketOpcode, _ text: String, isFinal: Bool = true) -> [UInt8] {
    masked(opcode, text.utf8, isFinal: isFinal)
}
