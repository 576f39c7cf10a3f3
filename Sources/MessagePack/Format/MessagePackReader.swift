/// Reads MessagePack values, one after another, from bytes that it holds.
///
/// No length that the bytes declare is trusted: memory is only taken for what is really there. After an error the position is unspecified.
public struct MessagePackReader: Sendable {
    /// How deep arrays and maps may be nested.
    public static let maximumDepth = 128

    /// The bytes, of which those in `position..<end` are still to be read.
    public private(set) var bytes: [UInt8]
    /// Where the next value begins.
    public internal(set) var position: Int
    /// Where the last value ends, or where `tail` goes on.
    public private(set) var end: Int
    /// What stands behind `bytes`, as long as it was not needed there.
    var tail: [UInt8]?

    /// Creates a reader of all `bytes`.
    public init(_ bytes: [UInt8]) {
        self.init(bytes, in: 0..<bytes.count)
    }

    /// Creates a reader of those `bytes` that lie in `range`.
    public init(_ bytes: [UInt8], in range: Range<Int>) {
        let range = range.clamped(to: 0..<bytes.count)
        self.bytes = bytes
        self.position = range.lowerBound
        self.end = range.upperBound
    }

    /// Whether everything has been read.
    public var isAtEnd: Bool { position == end && tail == nil }

    /// Whether so many bytes are left.
    @inline(__always)
    mutating func has(_ count: Int) -> Bool { count <= end - position || joinsTail() && count <= end - position }

    @inline(never)
    private mutating func joinsTail() -> Bool {
        guard let rest = tail.take() else { return false }
        // Where there is a tail, the bytes end where the last value does.
        bytes += rest
        end = bytes.count
        return true
    }

    /// Throws unless everything has been read.
    public func finish() throws(MessagePackError) {
        guard isAtEnd else { throw MessagePackError(.trailingBytes, offset: position) }
    }

    /// Reads a scalar, or the kind and length of what follows: so many bytes, values or entries at least *could* follow.
    public mutating func readHead() throws(MessagePackError) -> MessagePackHead {
        guard has(1) else { throw MessagePackError(.truncated, offset: position) }
        let format = bytes[position]
        position += 1
        switch format {
        case 0x00...0x7f: return .signed(Int64(format))
        case 0x80...0x8f: return try .map(length(Int(format & 0x0f), unit: 2))
        case 0x90...0x9f: return try .array(length(Int(format & 0x0f)))
        case 0xa0...0xbf: return try .string(length(Int(format & 0x1f)))
        case 0xc0: return .nil
        case 0xc1: throw MessagePackError(.invalidByte, offset: position - 1)
        case 0xc2: return .bool(false)
        case 0xc3: return .bool(true)
        case 0xc4: return try .binary(length(Int(number(UInt8.self))))
        case 0xc5: return try .binary(length(Int(number(UInt16.self))))
        case 0xc6: return try .binary(length(Int(number(UInt32.self))))
        case 0xc7: return try extensionHead(Int(number(UInt8.self)))
        case 0xc8: return try extensionHead(Int(number(UInt16.self)))
        case 0xc9: return try extensionHead(Int(number(UInt32.self)))
        case 0xca: return try .float(Float(bitPattern: number(UInt32.self)))
        case 0xcb: return try .double(Double(bitPattern: number(UInt64.self)))
        case 0xcc: return try .unsigned(UInt64(number(UInt8.self)))
        case 0xcd: return try .unsigned(UInt64(number(UInt16.self)))
        case 0xce: return try .unsigned(UInt64(number(UInt32.self)))
        case 0xcf: return try .unsigned(number(UInt64.self))
        case 0xd0: return try .signed(Int64(number(Int8.self)))
        case 0xd1: return try .signed(Int64(number(Int16.self)))
        case 0xd2: return try .signed(Int64(number(Int32.self)))
        case 0xd3: return try .signed(number(Int64.self))
        case 0xd4...0xd8: return try extensionHead(1 << Int(format - 0xd4))
        case 0xd9: return try .string(length(Int(number(UInt8.self))))
        case 0xda: return try .string(length(Int(number(UInt16.self))))
        case 0xdb: return try .string(length(Int(number(UInt32.self))))
        case 0xdc: return try .array(length(Int(number(UInt16.self))))
        case 0xdd: return try .array(length(Int(number(UInt32.self))))
        case 0xde: return try .map(length(Int(number(UInt16.self)), unit: 2))
        case 0xdf: return try .map(length(Int(number(UInt32.self)), unit: 2))
        default: return .signed(Int64(Int8(bitPattern: format)))
        }
    }

    /// The head of the next value, which stays unread.
    public func peekHead() throws(MessagePackError) -> MessagePackHead {
        var copy = self
        return try copy.readHead()
    }

    /// Passes over `count` bytes, as told by a head, and returns where they are.
    public mutating func readPayload(_ count: Int) throws(MessagePackError) -> Range<Int> {
        let start = position
        position += try length(count)
        return start..<position
    }

    private mutating func extensionHead(_ count: Int) throws(MessagePackError) -> MessagePackHead {
        let type = try number(Int8.self)
        return try .extension(type: type, length(count))
    }

    /// A length, once as many bytes are seen to be there: an element takes at least one, an entry of a map two.
    private mutating func length(_ count: Int, unit: Int = 1) throws(MessagePackError) -> Int {
        guard has(count * unit) else { throw MessagePackError(.truncated, offset: position) }
        return count
    }

    private mutating func number<Number: FixedWidthInteger>(_: Number.Type) throws(MessagePackError) -> Number {
        let start = position
        position += try length(MemoryLayout<Number>.size)
        return bytes.withUnsafeBytes { Number(bigEndian: $0.loadUnaligned(fromByteOffset: start, as: Number.self)) }
    }
}
