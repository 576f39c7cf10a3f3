/// A binary message: whole frames behind sixteen bytes that count them.
///
/// ```text
///  0  u64  number of the first frame in it, counted from 0 in each direction of a session
///  8  u64  count of frames received from the other end so far
/// 16  …    frames
/// ```
public enum Batch {
    /// Bytes in front of the first frame.
    public static let headSize = 16
    /// A batch takes no further frame when it holds this many bytes of them.
    public static let fullSize = 64 * 1024

    /// Reads the head of a batch.
    ///
    /// - Throws: `protocolViolation` when the message is shorter than a head.
    public static func head(of message: UnsafeRawBufferPointer) throws(TelekinesisError) -> (first: UInt64, received: UInt64) {
        guard message.count >= headSize else {
            throw TelekinesisError(.protocolViolation, "a message is shorter than the head of a batch", ran: .no)
        }
        return (
            UInt64(littleEndian: message.loadUnaligned(as: UInt64.self)),
            UInt64(littleEndian: message.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }

    /// Writes the head of a batch at `offset`, where sixteen bytes are free.
    static func writeHead(in message: inout [UInt8], at offset: Int, first: UInt64, received: UInt64) {
        message.withUnsafeMutableBytes {
            $0.storeBytes(of: first.littleEndian, toByteOffset: offset, as: UInt64.self)
            $0.storeBytes(of: received.littleEndian, toByteOffset: offset + 8, as: UInt64.self)
        }
    }
}
