extension MessagePackWriter {
    /// Writes only the head of a byte array that has more than `size` bytes, and keeps the array itself as ``tail``: whoever sends it need not copy
    /// it. To write anything behind it, ``join()`` first.
    ///
    /// - Returns: `false`, having written nothing, for every other value.
    @inline(__always)
    package mutating func keep<Value>(_ value: Value, longerThan size: Int) -> Bool {
        guard Value.self == [UInt8].self else { return false }
        let bytes = unsafeBitCast(value, to: [UInt8].self)
        guard bytes.count > size else { return false }
        appendHeader(0xc4, 0xc5, 0xc6, bytes.count)
        tail = bytes
        return true
    }

    /// Copies what was kept behind the rest.
    package mutating func join() {
        if let tail = tail.take() { bytes += tail }
    }
}

extension MessagePackReader {
    /// Creates a reader of `bytes` from `start` on, and of `tail` behind them.
    ///
    /// A byte array that is the whole tail is handed out as it is. For whatever else lies in the tail both are copied together.
    package init(_ bytes: [UInt8], from start: Int, tail: [UInt8]?) {
        self.init(bytes, in: min(start, bytes.count)..<bytes.count)
        self.tail = tail
    }

    /// Goes where a copy of this reader has gone. All but the position changes only where there is a tail.
    @inline(__always)
    mutating func follow(_ copy: Self) {
        if tail == nil { position = copy.position } else { self = copy }
    }

    /// The tail, if it is the next value: its head, in the form that every length of more than 16 bits has, is then all that is left in front of it.
    mutating func readTail() -> [UInt8]? {
        guard let whole = tail, end - position == 5, bytes[position] == 0xc6 else { return nil }
        let count = bytes.withUnsafeBytes { UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: position + 1, as: UInt32.self)) }
        guard count == whole.count else { return nil }
        tail = nil
        position = end
        return whole
    }
}
