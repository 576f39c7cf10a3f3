/// Appends MessagePack values to a byte buffer, always in their shortest form.
///
/// Follows the [MessagePack specification](https://github.com/msgpack/msgpack/blob/master/spec.md).
public struct MessagePackWriter: Sendable {
    /// What was written so far, behind whatever the buffer held at the start.
    public var bytes: [UInt8]
    /// A byte array that follows, kept in place of a copy.
    public package(set) var tail: [UInt8]?

    /// Creates a writer that appends to `bytes`.
    @inlinable
    public init(appendingTo bytes: [UInt8] = []) {
        self.bytes = bytes
    }

    /// Makes room for `count` more bytes, growing the buffer by its half at least.
    @inlinable
    public mutating func reserve(_ count: Int) {
        if bytes.capacity - bytes.count < count { bytes.reserveCapacity(max(bytes.count + count, bytes.capacity / 2 * 3)) }
    }

    /// Appends nil.
    @inlinable
    public mutating func writeNil() {
        bytes.append(0xc0)
    }

    /// Appends a Boolean.
    @inlinable
    public mutating func write(_ value: Bool) {
        bytes.append(value ? 0xc3 : 0xc2)
    }

    /// Appends an integer of up to 64 bits.
    @inlinable
    public mutating func write(_ value: Int) {
        write(Int64(value))
    }

    /// Appends a signed integer.
    @inlinable
    public mutating func write(_ value: Int64) {
        if value >= 0 {
            write(UInt64(bitPattern: value))
        } else if value >= -32 {
            bytes.append(UInt8(truncatingIfNeeded: value))
        } else if let value = Int8(exactly: value) {
            append(0xd0, value)
        } else if let value = Int16(exactly: value) {
            append(0xd1, value)
        } else if let value = Int32(exactly: value) {
            append(0xd2, value)
        } else {
            append(0xd3, value)
        }
    }

    /// Appends an unsigned integer.
    @inlinable
    public mutating func write(_ value: UInt64) {
        if value < 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value))
        } else if let value = UInt8(exactly: value) {
            append(0xcc, value)
        } else if let value = UInt16(exactly: value) {
            append(0xcd, value)
        } else if let value = UInt32(exactly: value) {
            append(0xce, value)
        } else {
            append(0xcf, value)
        }
    }

    /// Appends a 32-bit float.
    @inlinable
    public mutating func write(_ value: Float) {
        append(0xca, value.bitPattern)
    }

    /// Appends a 64-bit float.
    @inlinable
    public mutating func write(_ value: Double) {
        append(0xcb, value.bitPattern)
    }

    /// Appends a string.
    @inlinable
    public mutating func write(_ value: String) {
        var value = value
        value.withUTF8 { utf8 in
            writeStringHeader(count: utf8.count)
            bytes.append(contentsOf: utf8)
        }
    }

    /// Appends the head of a string; `count` bytes of UTF-8 must follow.
    @inlinable
    public mutating func writeStringHeader(count: Int) {
        if count < 32 {
            bytes.append(0xa0 | UInt8(truncatingIfNeeded: count))
        } else {
            appendHeader(0xd9, 0xda, 0xdb, count)
        }
    }

    /// Appends bytes as a binary value.
    @inlinable
    public mutating func writeBinary(_ value: UnsafeRawBufferPointer) {
        appendHeader(0xc4, 0xc5, 0xc6, value.count)
        bytes.append(contentsOf: value)
    }

    /// Appends bytes as a binary value.
    @inlinable
    public mutating func writeBinary(_ value: [UInt8]) {
        value.withUnsafeBytes { writeBinary($0) }
    }

    /// Appends the head of an array; `count` values must follow.
    @inlinable
    public mutating func writeArrayHeader(count: Int) {
        if count < 16 {
            bytes.append(0x90 | UInt8(truncatingIfNeeded: count))
        } else {
            appendHeader(nil, 0xdc, 0xdd, count)
        }
    }

    /// Appends the head of a map; `count` keys, each followed by its value, must follow.
    @inlinable
    public mutating func writeMapHeader(count: Int) {
        if count < 16 {
            bytes.append(0x80 | UInt8(truncatingIfNeeded: count))
        } else {
            appendHeader(nil, 0xde, 0xdf, count)
        }
    }

    /// Appends an extension value.
    @inlinable
    public mutating func writeExtension(type: Int8, _ payload: [UInt8]) {
        switch payload.count {
        case 1: bytes.append(0xd4)
        case 2: bytes.append(0xd5)
        case 4: bytes.append(0xd6)
        case 8: bytes.append(0xd7)
        case 16: bytes.append(0xd8)
        default: appendHeader(0xc7, 0xc8, 0xc9, payload.count)
        }
        bytes.append(UInt8(bitPattern: type))
        bytes.append(contentsOf: payload)
    }

    /// Appends a point in time: extension -1 in its 32, 64 or 96-bit form.
    public mutating func write(_ timestamp: MessagePackTimestamp) {
        let (seconds, nanoseconds) = (timestamp.seconds, timestamp.nanoseconds)
        if seconds >> 34 != 0 {
            append(0xc7, UInt16(0x0cff))
            append(nanoseconds)
            append(seconds)
        } else if nanoseconds == 0, let seconds = UInt32(exactly: seconds) {
            append(0xd6, UInt8(0xff))
            append(seconds)
        } else {
            append(0xd7, UInt8(0xff))
            append(UInt64(nanoseconds) << 34 | UInt64(seconds))
        }
    }

    @inlinable
    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    @inlinable
    mutating func append(_ format: UInt8, _ value: some FixedWidthInteger) {
        bytes.append(format)
        append(value)
    }

    /// Appends a format byte and a length, in the narrowest of the widths the format has.
    ///
    /// No width holds 2^32, and no buffer of outside bytes gets there: a value that large is its program's mistake, and traps.
    @inlinable
    mutating func appendHeader(_ format8: UInt8?, _ format16: UInt8, _ format32: UInt8, _ length: Int) {
        if let format8, let length = UInt8(exactly: length) {
            append(format8, length)
        } else if let length = UInt16(exactly: length) {
            append(format16, length)
        } else {
            append(format32, UInt32(length))
        }
    }
}
