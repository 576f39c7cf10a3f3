internal import MessagePack
internal import TelekinesisProtocol

extension [UInt8] {
    /// So many zeros, with room for more.
    static func zeros(_ count: Int, capacity: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: capacity) { memory, initialized in
            memory[..<count].initialize(repeating: 0)
            initialized = count
        }
    }
}

extension MessagePackWriter {
    /// Gives the bytes away, owned by nobody else: they can be changed in place.
    mutating func takeBytes() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &bytes)
        return taken
    }

    /// The same with the tail, if there is one.
    mutating func take() -> SplitBytes { SplitBytes(takeBytes(), tail: tail.take()) }
}
