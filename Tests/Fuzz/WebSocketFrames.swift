import WebSocket

/// Whatever arrives, both roles hear the same of it in one piece and cut anywhere, and nothing is larger than the limit.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard size > 0 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: data + 1, count: size - 1))
    let step = Int(data[0] & 0x7F) + 1
    let role: WebSocketRole = data[0] & 0x80 == 0 ? .server : .client
    let whole = Ear(role: role).hear(bytes, step: max(bytes.count, 1))
    precondition(whole == Ear(role: role).hear(bytes, step: step))
    precondition(whole == Ear(role: role).hear(bytes, step: 1))
    return 0
}

private let limit = 2000

/// Writes down what a decoder hands out.
private struct Ear {
    var decoder: WebSocketDecoder
    var heard: [[UInt8]] = []

    init(role: WebSocketRole) { decoder = WebSocketDecoder(role: role, maximumMessageSize: limit) }

    consuming func hear(_ bytes: [UInt8], step: Int) -> [[UInt8]] {
        for start in stride(from: 0, to: bytes.count, by: step) {
            var piece = Array(bytes[start..<min(start + step, bytes.count)])
            piece.withUnsafeMutableBytes { piece in
                do throws(WebSocketFailure) {
                    try decoder.receive(piece) { heard.append(Self.note($0)) }
                } catch {
                    heard.append([0xFF] + error.reason.utf8)
                }
            }
        }
        return heard
    }

    static func note(_ event: WebSocketEvent) -> [UInt8] {
        switch event {
        case .binary(let bytes), .text(let bytes):
            precondition(bytes.count <= limit)
            return [0] + bytes
        case .ping(let bytes), .pong(let bytes):
            precondition(bytes.count <= 125)
            return [1] + bytes
        case .close(let close): return [2] + close.payload
        }
    }
}
