/// Writes frames (RFC 6455 §5.2). A header goes into the space in front of its payload, so that the payload never moves.
public enum WebSocketEncoder {
    /// The largest header: the space to leave in front of a payload.
    public static let maximumHeaderSize = 14

    /// The size of the header of a frame with `length` bytes of payload.
    public static func headerSize(length: Int, masked: Bool) -> Int {
        (length < 126 ? 2 : length <= 0xFFFF ? 4 : 10) + (masked ? 4 : 0)
    }

    /// Writes a header.
    ///
    /// - Parameters:
    ///   - length: bytes of payload that follow.
    ///   - maskKey: four unpredictable bytes where a client sends (RFC 6455 §5.3); the payload is masked with `WebSocketMask`.
    ///   - destination: where `headerSize(length:masked:)` bytes may be written.
    /// - Returns: the header's size.
    @discardableResult
    public static func writeHeader(
        _ opcode: WebSocketOpcode, isFinal: Bool = true, length: Int, maskKey: UInt32?, to destination: UnsafeMutableRawPointer
    ) -> Int {
        let maskBit: UInt8 = maskKey == nil ? 0 : 0x80
        destination.storeBytes(of: opcode.rawValue | (isFinal ? 0x80 : 0), as: UInt8.self)
        var size = 2
        if length < 126 {
            destination.storeBytes(of: maskBit | UInt8(length), toByteOffset: 1, as: UInt8.self)
        } else if length <= 0xFFFF {
            destination.storeBytes(of: maskBit | 126, toByteOffset: 1, as: UInt8.self)
            destination.storeBytes(of: UInt16(length).bigEndian, toByteOffset: 2, as: UInt16.self)
            size = 4
        } else {
            destination.storeBytes(of: maskBit | 127, toByteOffset: 1, as: UInt8.self)
            destination.storeBytes(of: UInt64(length).bigEndian, toByteOffset: 2, as: UInt64.self)
            size = 10
        }
        if let maskKey {
            destination.storeBytes(of: maskKey, toByteOffset: size, as: UInt32.self)
            size += 4
        }
        return size
    }

    /// Makes the bytes from `start` on a frame: masks them in place and writes the header in front of them.
    ///
    /// - Parameters:
    ///   - start: where the payload begins, at least `maximumHeaderSize`.
    ///   - rest: bytes of the payload that lie elsewhere, to be sent behind these; they are not masked here.
    /// - Returns: where the frame begins.
    public static func seal(
        _ opcode: WebSocketOpcode, isFinal: Bool = true, payloadOf buffer: UnsafeMutableRawBufferPointer, from start: Int,
        followedBy rest: Int = 0, maskKey: UInt32?
    ) -> Int {
        let payload = UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
        let length = payload.count + rest
        let begin = start - headerSize(length: length, masked: maskKey != nil)
        if let maskKey { WebSocketMask.apply(maskKey, to: payload) }
        if let base = buffer.baseAddress { writeHeader(opcode, isFinal: isFinal, length: length, maskKey: maskKey, to: base + begin) }
        return begin
    }

    /// A frame with a copy of `payload`: for control frames, which are small.
    public static func frame(_ opcode: WebSocketOpcode, isFinal: Bool = true, _ payload: some Collection<UInt8>, maskKey: UInt32?)
        -> [UInt8]
    {
        var bytes = [UInt8](repeating: 0, count: maximumHeaderSize) + payload
        let begin = bytes.withUnsafeMutableBytes {
            seal(opcode, isFinal: isFinal, payloadOf: $0, from: maximumHeaderSize, maskKey: maskKey)
        }
        bytes.removeFirst(begin)
        return bytes
    }
}
