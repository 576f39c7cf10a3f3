/// How the arguments or the result of a call are written.
public enum Encoding: UInt8, Sendable, Codable {
    /// MessagePack values, one after the other.
    case messagePack = 0
    /// JSON text: an array (by position) or an object (by label).
    case json = 1
    /// A MessagePack array of strings, `label=value` or `value`, made into values by whoever knows the types.
    case words = 2
}

/// What follows the head of a call.
///
/// ```text
///    16 bytes  the key of the result                    if flagged `resultKey`
///    u32 + n   length and bytes of a MessagePack map    if flagged `metadata`
///    u16 + 24n a ``ReferenceTable``                     if flagged `references`
///    u64       selector: FNV-1a-64 of the method's name; 0: the name is the first argument
///    u32       hash of the signature that the caller was built against; 0: unknown
///    u8        encoding
///    u8        count of arguments
///    …         arguments
/// ```
public struct CallBody: Sendable {
    /// Bytes from selector to count.
    public static let fixedSize = 14

    /// The key under which the result is to be registered.
    public var resultKey: ActorKey?
    /// Where the metadata map lies in the body; empty when there is none.
    public var metadata: Range<Int> = 0..<0
    /// Where the ``ReferenceTable`` lies in the body; empty when there is none.
    public var references: Range<Int> = 0..<0
    /// The hash of the method's name.
    public var selector: UInt64
    /// The hash of the signature that the caller knows.
    public var signature: UInt32
    /// How the arguments are written.
    public var encoding: Encoding
    /// How many arguments there are.
    public var argumentCount: Int
    /// Where the arguments start in the body.
    public var argumentsStart: Int

    /// Takes a body apart.
    ///
    /// - Throws: `badArguments` when it is cut short or names an unknown encoding.
    public init(parsing body: UnsafeRawBufferPointer, flags: CallFlags) throws(TelekinesisError) {
        var offset = 0
        func need(_ size: Int) throws(TelekinesisError) {
            guard body.count - offset >= size else { throw TelekinesisError(.badArguments, "the call ends inside its head", ran: .no) }
        }
        if flags.contains(.resultKey) {
            try need(16)
            resultKey = ActorKey(loading: body, at: offset)
            offset += 16
        }
        if flags.contains(.metadata) {
            try need(4)
            let length = Int(UInt32(littleEndian: body.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            offset += 4
            try need(length)
            metadata = offset..<offset + length
            offset += length
        }
        if flags.contains(.references) {
            let size = try ReferenceTable.size(at: offset, in: body)
            references = offset..<offset + size
            offset += size
        }
        try need(Self.fixedSize)
        selector = UInt64(littleEndian: body.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        signature = UInt32(littleEndian: body.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self))
        guard let encoding = Encoding(rawValue: body[offset + 12]) else {
            throw TelekinesisError(.unsupported, "the arguments are in encoding \(body[offset + 12]), which is not known here", ran: .no)
        }
        self.encoding = encoding
        argumentCount = Int(body[offset + 13])
        argumentsStart = offset + Self.fixedSize
    }

    /// Takes a body apart that was kept.
    ///
    /// - Throws: `badArguments` when it is cut short or names an unknown encoding.
    public init(parsing body: [UInt8], flags: CallFlags) throws(TelekinesisError) {
        let result = body.withUnsafeBytes { bytes in
            Result { () throws(TelekinesisError) in try CallBody(parsing: bytes, flags: flags) }
        }
        self = try result.get()
    }

    /// Writes selector, signature, encoding and count at the start of `memory`.
    @inline(__always)
    public static func writeFixed(
        _ memory: UnsafeMutableRawBufferPointer, selector: UInt64, signature: UInt32, encoding: Encoding, argumentCount: UInt8
    ) {
        memory.storeBytes(of: selector.littleEndian, as: UInt64.self)
        memory.storeBytes(of: signature.littleEndian, toByteOffset: 8, as: UInt32.self)
        memory[12] = encoding.rawValue
        memory[13] = argumentCount
    }
}
