/// The table of references in front of arguments, results and elements of streams, to which values refer by index.
///
/// ```text
///    u16       count, at most 2,048, so that the table always fits into the first frame
///    24 bytes  each: u64 node, 0 for the sender itself; 16 bytes key
/// ```
public enum ReferenceTable {
    /// The most references that one message hands over.
    public static let maximumCount = 2_048
    static let entrySize = 24

    /// The table as it travels.
    public static func bytes(_ entries: [(node: NodeID, key: ActorKey)]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 2 + entrySize * entries.count)
        bytes.withUnsafeMutableBytes { memory in
            memory.storeBytes(of: UInt16(truncatingIfNeeded: entries.count).littleEndian, as: UInt16.self)
            for (index, entry) in entries.enumerated() {
                let offset = 2 + entrySize * index
                memory.storeBytes(of: entry.node.rawValue.littleEndian, toByteOffset: offset, as: UInt64.self)
                entry.key.store(in: memory, at: offset + 8)
            }
        }
        return bytes
    }

    /// How many bytes the table at `offset` has.
    ///
    /// - Throws: `badArguments` when it is cut short or too long.
    static func size(at offset: Int, in body: UnsafeRawBufferPointer) throws(TelekinesisError) -> Int {
        guard body.count - offset >= 2 else { throw malformed("is cut short") }
        let count = Int(UInt16(littleEndian: body.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
        guard count <= maximumCount else { throw malformed("has \(count) entries; \(maximumCount) are allowed") }
        let size = 2 + entrySize * count
        guard body.count - offset >= size else { throw malformed("is cut short") }
        return size
    }

    /// The entries of the table at the start of `body`, and where it ends.
    ///
    /// - Throws: `badArguments` when it is cut short or too long.
    public static func parse(
        _ body: UnsafeRawBufferPointer
    ) throws(TelekinesisError) -> (entries: [(node: NodeID, key: ActorKey)], end: Int) {
        let end = try size(at: 0, in: body)
        var entries: [(node: NodeID, key: ActorKey)] = []
        entries.reserveCapacity(end / entrySize)
        for offset in stride(from: 2, to: end, by: entrySize) {
            let node = UInt64(littleEndian: body.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            entries.append((NodeID(rawValue: node), ActorKey(loading: body, at: offset + 8)))
        }
        return (entries, end)
    }

    private static func malformed(_ what: String) -> TelekinesisError {
        TelekinesisError(.badArguments, "the table of references \(what)", ran: .no)
    }
}
