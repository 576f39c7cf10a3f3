/// What a frame is for (RFC 6455 §5.2).
public enum WebSocketOpcode: UInt8, Sendable {
    /// A further fragment of the message under way.
    case continuation = 0
    /// A message of UTF-8, or its first fragment.
    case text = 1
    /// A message of bytes, or its first fragment.
    case binary = 2
    /// The sender says no more.
    case close = 8
    /// Asks for a pong with the same payload.
    case ping = 9
    /// Answers a ping, or says unasked that the sender lives.
    case pong = 10

    /// Whether it may stand between the fragments of a message.
    public var isControl: Bool { rawValue >= 8 }
}

/// The two sides of a connection, which differ in who masks (RFC 6455 §5.1).
public enum WebSocketRole: Sendable {
    /// Accepts connections; sends without a mask and wants masked frames.
    case server
    /// Opens connections; masks what it sends.
    case client
}

/// Why the other side broke the protocol: the code to close the connection with, and a sentence.
public struct WebSocketFailure: Error, Equatable, Sendable {
    /// A code of RFC 6455 §7.4.1: 1002, 1007, 1008 or 1009.
    public let code: UInt16
    /// One sentence that says what was wrong.
    public let reason: String

    /// A failure of the given code.
    public init(code: UInt16, reason: String) {
        self.code = code
        self.reason = reason
    }

    static func violation(_ reason: String) -> WebSocketFailure { WebSocketFailure(code: 1002, reason: reason) }
}

/// The front of a frame, read and checked by itself.
struct WebSocketFrameHeader {
    var opcode: WebSocketOpcode
    var isFinal: Bool
    var length: Int
    /// The mask's four bytes in the order of memory; 0 changes nothing.
    var maskKey: UInt32

    /// Reads the header at the front of `bytes`, refusing it at the first byte that is wrong.
    ///
    /// - Returns: the header and its size, or nil when more bytes are needed.
    static func read(_ bytes: UnsafeRawBufferPointer, masked: Bool) throws(WebSocketFailure) -> (header: Self, size: Int)? {
        guard let first = bytes.first else { return nil }
        guard first & 0x70 == 0 else { throw .violation("A frame has a reserved bit set, but no extension was agreed on.") }
        guard let opcode = WebSocketOpcode(rawValue: first & 0x0F) else {
            throw .violation("A frame has the reserved opcode \(first & 0x0F).")
        }
        let isFinal = first & 0x80 != 0
        guard isFinal || !opcode.isControl else { throw .violation("A control frame is fragmented.") }

        guard bytes.count >= 2 else { return nil }
        let second = bytes[1]
        guard (second & 0x80 != 0) == masked else {
            throw .violation(masked ? "A frame of the client is not masked." : "A frame of the server is masked.")
        }
        var length = Int(second & 0x7F)
        guard length <= 125 || !opcode.isControl else { throw .violation("A control frame is longer than 125 bytes.") }

        let lengthSize = length < 126 ? 0 : length == 126 ? 2 : 8
        let size = 2 + lengthSize + (masked ? 4 : 0)
        guard bytes.count >= size else { return nil }
        if lengthSize == 2 {
            length = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            guard length > 125 else { throw .violation("A frame's length is not in its shortest form.") }
        } else if lengthSize == 8 {
            let long = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            guard long <= UInt64(Int.max) else { throw .violation("A frame's length has the top bit set.") }
            guard long > 0xFFFF else { throw .violation("A frame's length is not in its shortest form.") }
            length = Int(long)
        }
        let key = masked ? bytes.loadUnaligned(fromByteOffset: size - 4, as: UInt32.self) : 0
        return (Self(opcode: opcode, isFinal: isFinal, length: length, maskKey: key), size)
    }
}
