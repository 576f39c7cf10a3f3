/// Arrays and maps whose length is not known when they begin.
///
/// The header always tells the number of elements written so far, so nothing has to be closed or patched at the end. It starts as one byte and widens
/// when the sixteenth element is announced (then the fifteen before it move by two bytes) and again at the 65,536th.
extension MessagePackWriter {
    /// Begins an empty array and returns its offset, for `countElement(ofContainerAt:)`.
    @inlinable
    public mutating func openArray() -> Int {
        bytes.append(0x90)
        return bytes.count - 1
    }

    /// Begins an empty map and returns its offset, for `countElement(ofContainerAt:)`.
    @inlinable
    public mutating func openMap() -> Int {
        bytes.append(0x80)
        return bytes.count - 1
    }

    /// Announces one more element, which the caller writes next, of the open container at `offset`. For a map an element is a key and its value.
    ///
    /// The container must be the last thing in the buffer.
    /// - Returns: by how many bytes the header grew, and everything behind it moved: nearly always 0.
    @inlinable
    @discardableResult
    public mutating func countElement(ofContainerAt offset: Int) -> Int {
        let header = bytes[offset]
        if header & 0xe0 == 0x80, header & 0x0f != 0x0f {
            bytes[offset] = header + 1
            return 0
        }
        return countElementWidening(offset)
    }

    @usableFromInline
    mutating func countElementWidening(_ offset: Int) -> Int {
        let (array, map): (UInt8, UInt8) = (0xdc, 0xde)
        switch bytes[offset] {
        case 0x8f, 0x9f:
            let format = bytes[offset] == 0x8f ? map : array
            bytes.replaceSubrange(offset...offset, with: [format, 0, 16])
            return 2
        case array, map:
            let count = UInt16(bytes[offset + 1]) << 8 | UInt16(bytes[offset + 2])
            guard count < .max else {
                bytes.replaceSubrange(offset...offset + 2, with: [bytes[offset] + 1, 0, 1, 0, 0])
                return 2
            }
            setCount(count + 1, at: offset + 1)
        default:
            let count = bytes[(offset + 1)...(offset + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            setCount(count + 1, at: offset + 1)
        }
        return 0
    }

    private mutating func setCount<Count: FixedWidthInteger>(_ count: Count, at offset: Int) {
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: count.bigEndian, toByteOffset: offset, as: Count.self) }
    }
}
