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
    /// The first part, where it ends with the head of a byte array: what comes then is kept as that array.
    private let head: [UInt8]
    /// How long that array is to be, if it is to be believed.
    private let declared: Int?
    /// What came so far, behind the head if there is one.
    public private(set) var bytes: [UInt8]
    private let limit: Int
    private var allowed = OutgoingTransfer.initialCredit
    private var consumed = 0

    /// A transfer whose first part is `bytes`.
    ///
    /// - Parameter limit: most bytes of the assembled value.
    public init(_ bytes: [UInt8], limit: Int) {
        declared = Self.declaredBytes(bytes)
        (head, self.bytes) = declared == nil ? ([], bytes) : (bytes, [])
        self.limit = limit
    }

    /// The length of the byte array whose head ends the bytes (MessagePack's bin 32; lengths of 16 bits would not need a transfer).
    private static func declaredBytes(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 5, bytes[bytes.count - 5] == 0xc6 else { return nil }
        return bytes.suffix(4).reduce(0) { $0 << 8 | Int($1) }
    }

    /// Bytes that came so far.
    public var count: Int { head.count + bytes.count }

    /// The whole value, when all of it came. What only looked like the head of an array is put in front of the rest.
    public var value: SplitBytes {
        declared == bytes.count ? SplitBytes(head, tail: bytes) : SplitBytes(head.isEmpty ? bytes : head + bytes)
    }

    /// Adds a part.
    ///
    /// - Returns: how much credit to grant back now; 0 for none yet.
    /// - Throws: `tooLarge` above the limit, `protocolViolation` for data beyond the credit.
    public mutating func append(_ part: UnsafeRawBufferPointer) throws(TelekinesisError) -> UInt32 {
        guard count + part.count <= limit else {
            throw TelekinesisError(
                .tooLarge, "a value of more than \(limit) bytes: raise `maximumValue` at the receiver, or send it in parts", ran: .no)
        }
        guard part.count <= allowed else {
            throw TelekinesisError(.protocolViolation, "data beyond the credit that was granted", ran: .no)
        }
        makeRoom(for: part.count)
        allowed -= part.count
        consumed += part.count
        bytes.append(contentsOf: part)
        guard consumed >= OutgoingTransfer.initialCredit / 2, !restIsGranted else { return 0 }
        let grant = consumed
        allowed += grant
        consumed = 0
        return UInt32(grant)
    }

    /// Growing by doubling would copy a value of 256 MiB for 60 ms at a time, and nothing else is done on the loop meanwhile: for an array whose length
    /// was declared there is room for 64 times what came. Reserved, not touched: memory is only taken for bytes that come.
    private mutating func makeRoom(for more: Int) {
        let needed = bytes.count + more
        guard needed > bytes.capacity else { return }
        let growth = declared == nil ? 2 : 64
        bytes.reserveCapacity(max(needed, min(limit, declared ?? .max, growth * bytes.count)))
    }

    /// Whether what is still to come may come already.
    private var restIsGranted: Bool {
        guard let declared else { return false }
        return bytes.count < declared && declared - bytes.count <= allowed
    }
}
