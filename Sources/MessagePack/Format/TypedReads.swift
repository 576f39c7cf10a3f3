extension MessagePackReader {
    /// Passes over the next value if it is nil, and tells whether it was.
    public mutating func readNil() -> Bool {
        guard has(1), bytes[position] == 0xc0 else { return false }
        position += 1
        return true
    }

    /// Reads a Boolean.
    public mutating func readBool() throws(MessagePackError) -> Bool {
        let start = position
        switch try readHead() {
        case .bool(let value): return value
        case let head: throw mismatch(.bool, head, at: start)
        }
    }

    /// Reads an integer of any form that `Integer` holds.
    public mutating func readInteger<Integer: FixedWidthInteger>(_: Integer.Type = Integer.self) throws(MessagePackError) -> Integer {
        let start = position
        if start < end, bytes[start] < 0x80 {
            position += 1
            return Integer(truncatingIfNeeded: bytes[start])
        }
        let value: Integer?
        switch try readHead() {
        case .signed(let number): value = Integer(exactly: number)
        case .unsigned(let number): value = Integer(exactly: number)
        case let head: throw mismatch(.integer, head, at: start)
        }
        guard let value else { throw MessagePackError(.inexactNumber, offset: start) }
        return value
    }

    /// Reads a number of any form that `Number` holds exactly; NaN is NaN in every form.
    public mutating func readFloat<Number: BinaryFloatingPoint>(_: Number.Type = Number.self) throws(MessagePackError) -> Number {
        let start = position
        let value: Number?
        switch try readHead() {
        case .float(let number): value = number.isNaN ? .nan : Number(exactly: number)
        case .double(let number): value = number.isNaN ? .nan : Number(exactly: number)
        case .signed(let number): value = Number(exactly: number)
        case .unsigned(let number): value = Number(exactly: number)
        case let head: throw mismatch(.float, head, at: start)
        }
        guard let value else { throw MessagePackError(.inexactNumber, offset: start) }
        return value
    }

    /// Reads a string.
    public mutating func readString() throws(MessagePackError) -> String {
        let utf8 = try readStringBytes()
        guard let string = string(in: utf8) else { throw MessagePackError(.invalidUTF8, offset: utf8.lowerBound) }
        return string
    }

    /// Reads a string without checking that it is UTF-8, and returns where its bytes are.
    public mutating func readStringBytes() throws(MessagePackError) -> Range<Int> {
        let start = position
        switch try readHead() {
        case .string(let count): return try readPayload(count)
        case let head: throw mismatch(.string, head, at: start)
        }
    }

    /// Reads a binary value, and returns where its bytes are.
    public mutating func readBinaryRange() throws(MessagePackError) -> Range<Int> {
        let start = position
        switch try readHead() {
        case .binary(let count): return try readPayload(count)
        case let head: throw mismatch(.binary, head, at: start)
        }
    }

    /// Reads a binary value.
    public mutating func readBinary() throws(MessagePackError) -> [UInt8] {
        let range = try readBinaryRange()
        return Array(bytes[range])
    }

    /// Reads the head of an array, and returns how many values follow.
    public mutating func readArrayHeader() throws(MessagePackError) -> Int {
        let start = position
        switch try readHead() {
        case .array(let count): return count
        case let head: throw mismatch(.array, head, at: start)
        }
    }

    /// Reads the head of a map, and returns how many keys, each with its value, follow.
    public mutating func readMapHeader() throws(MessagePackError) -> Int {
        let start = position
        switch try readHead() {
        case .map(let count): return count
        case let head: throw mismatch(.map, head, at: start)
        }
    }

    /// Reads an extension of any type, and returns where its bytes are.
    public mutating func readExtension() throws(MessagePackError) -> (type: Int8, payload: Range<Int>) {
        let start = position
        switch try readHead() {
        case .extension(let type, let count): return try (type, readPayload(count))
        case let head: throw mismatch(.extension, head, at: start)
        }
    }

    /// Reads a point in time: extension -1 in any of its forms.
    public mutating func readTimestamp() throws(MessagePackError) -> MessagePackTimestamp {
        let start = position
        let head = try readHead()
        guard case .extension(MessagePackTimestamp.extensionType, let count) = head else { throw mismatch(.timestamp, head, at: start) }
        let payload = try readPayload(count)
        guard let timestamp = MessagePackTimestamp(extensionPayload: bytes[payload]) else {
            throw MessagePackError(.invalidTimestamp, offset: start)
        }
        return timestamp
    }

    /// The text in `range` of the bytes; nil if it is not UTF-8.
    func string(in range: Range<Int>) -> String? {
        bytes.withUnsafeBufferPointer { String(validating: $0[range], as: UTF8.self) }
    }

    private func mismatch(_ expected: MessagePackKind, _ found: MessagePackHead, at offset: Int) -> MessagePackError {
        MessagePackError(.mismatch(expected: expected, found: found.kind), offset: offset)
    }
}
