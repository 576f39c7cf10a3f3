/// The sending end of a value too large for one frame: what is left of it and how much may go.
public struct OutgoingTransfer: Sendable {
    /// Granted silently to every transfer, so that values up to this size need no word back.
    public static let initialCredit = 1024 * 1024

    private var bytes: [UInt8]
    private var offset: Int
    private var credit: Int

    /// A transfer of everything in `bytes` from `offset` on; what lies before travelled in the first frame.
    public init(_ bytes: [UInt8], from offset: Int) {
        self.bytes = bytes
        self.offset = offset
        credit = Self.initialCredit
    }

    /// Bytes of the whole value, which are kept until all have been taken.
    public var size: Int { bytes.count }

    /// Whether all has been taken.
    public var isFinished: Bool { offset == bytes.count }

    /// The receiver lets more go.
    public mutating func grant(_ amount: UInt32) {
        credit = min(credit + Int(amount), Int.max / 2)
    }

    /// The next part that may leave, at most one frame's body; `nil` when all is sent or credit has run out.
    public mutating func next() -> (part: ArraySlice<UInt8>, isLast: Bool)? {
        let size = min(FrameHead.maximumBody, bytes.count - offset)
        guard size > 0, credit >= size else { return nil }
        let part = bytes[offset..<offset + size]
        offset += size
        credit -= size
        return (part, isFinished)
    }
}

/// The receiving end: grows with the bytes that came, never with a length that was declared.
public struct IncomingTransfer: Sendable {
    /// What came so far.
    public private(set) var bytes: [UInt8]
    private let limit: Int
    private var allowed = OutgoingTransfer.initialCredit
    private var consumed = 0

    /// A transfer whose first part is `bytes`.
    ///
    /// - Parameter limit: most bytes of the assembled value.
    public init(_ bytes: [UInt8], limit: Int) {
        self.bytes = bytes
        self.limit = limit
    }

    /// Adds a part.
    ///
    /// - Returns: how much credit to grant back now; 0 for none yet.
    /// - Throws: `tooLarge` above the limit, `protocolViolation` for data beyond the credit.
    public mutating func append(_ part: UnsafeRawBufferPointer) throws(TelekinesisError) -> UInt32 {
        guard bytes.count + part.count <= limit else {
            throw TelekinesisError(
                .tooLarge, "a value of more than \(limit) bytes: raise `maximumValue` at the receiver, or send it in parts", ran: .no)
        }
        guard part.count <= allowed else {
            throw TelekinesisError(.protocolViolation, "data beyond the credit that was granted", ran: .no)
        }
        // Reserved, not touched: memory is only taken for bytes that come.
        if bytes.capacity < OutgoingTransfer.initialCredit { bytes.reserveCapacity(min(limit, 2 * OutgoingTransfer.initialCredit)) }
        allowed -= part.count
        consumed += part.count
        bytes.append(contentsOf: part)
        guard consumed >= OutgoingTransfer.initialCredit / 2 else { return 0 }
        let grant = consumed
        allowed += grant
        consumed = 0
        return UInt32(grant)
    }
}
