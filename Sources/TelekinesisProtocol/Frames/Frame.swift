/// The part of the head that every frame has.
///
/// ```text
///  0  u32  length of the whole frame, this field included
///  4  u8   type
///  5  u8   flags
///  6  u16  0
///  8  u64  peer: destination towards the hub, true source from the hub
/// 16  u64  call
/// ```
public enum FrameHead {
    /// Bytes of the common head.
    public static let size = 24
    /// The most bytes of body one frame carries; larger values continue in data frames.
    public static let maximumBody = 64 * 1024
    /// The longest frame.
    public static let maximumFrame = maximumBody + 64

    static let type = 4
    static let flags = 5
    static let peer = 8
    static let call = 16
    /// A call's target (key, or route handle and zeros), a shared or released key.
    static let target = 24
    /// Milliseconds a call has left.
    static let remaining = 40
    /// The channel of data, credit and end.
    static let channel = 24
    /// The bytes granted by credit.
    static let amount = 28
}

/// A view of one whole frame; valid as long as the memory it looks at.
///
/// Made only by ``init(checking:)``, which refuses a frame that is shorter than the head of its type: accessors that go with the type stay inside.
public struct Frame {
    /// The whole frame, head first.
    public let bytes: UnsafeRawBufferPointer
    /// What it is for; `nil` for a type that may be ignored.
    public let type: FrameType?

    /// Takes the first frame of `memory`.
    ///
    /// - Throws: ``TelekinesisError`` with code `protocolViolation` when there is none that is whole and well-formed.
    public init(checking memory: UnsafeRawBufferPointer) throws(TelekinesisError) {
        guard memory.count >= FrameHead.size else { throw Self.malformed("ends inside its head") }
        let length = Int(UInt32(littleEndian: memory.loadUnaligned(as: UInt32.self)))
        guard length >= FrameHead.size, length <= FrameHead.maximumFrame else { throw Self.malformed("has a length of \(length)") }
        guard length <= memory.count else { throw Self.malformed("is cut short") }
        let code = memory[FrameHead.type]
        let type = FrameType(rawValue: code)
        if let type {
            guard length >= type.headSize else { throw Self.malformed("is shorter than its head") }
        } else if code & 0x80 == 0 {
            throw Self.malformed("has the unknown type \(code)")
        }
        self.type = type
        bytes = UnsafeRawBufferPointer(rebasing: memory[..<length])
    }

    private static func malformed(_ what: String) -> TelekinesisError {
        TelekinesisError(.protocolViolation, "a frame \(what)", ran: .no)
    }

    /// The flags, whose meaning depends on the type.
    public var flags: UInt8 { bytes[FrameHead.flags] }
    /// Source or destination.
    public var peer: NodeID { NodeID(rawValue: word(FrameHead.peer)) }
    /// The call it belongs to.
    public var call: CallID { word(FrameHead.call) }
    /// The key of a call, share or release.
    public var key: ActorKey { ActorKey(low: word(FrameHead.target), high: word(FrameHead.target + 8)) }
    /// The route handle of a call that is flagged so.
    public var route: UInt32 { half(FrameHead.target) }
    /// Milliseconds left of a call's deadline; `UInt32.max` for none.
    public var remaining: UInt32 { half(FrameHead.remaining) }
    /// The channel of data, credit and end.
    public var channel: UInt32 { half(FrameHead.channel) }
    /// Bytes granted by a credit.
    public var amount: UInt32 { half(FrameHead.amount) }
    /// The node that a share names as the new holder.
    public var holder: NodeID { NodeID(rawValue: word(FrameHead.remaining)) }
    /// How many references a release gives back.
    public var count: UInt32 { half(FrameHead.remaining) }
    /// What follows the head.
    public var body: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[(type?.headSize ?? FrameHead.size)...])
    }

    @inline(__always)
    private func word(_ offset: Int) -> UInt64 { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
    @inline(__always)
    private func half(_ offset: Int) -> UInt32 { UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
}
