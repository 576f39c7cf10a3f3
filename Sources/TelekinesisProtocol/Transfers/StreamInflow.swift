/// The receiving end of a stream: what has come and was not read yet. Pure.
///
/// Credit is granted as the reader takes what came, half a window at a time, so that a slow reader holds a window's worth and no more. Only an element
/// that is larger than the window is given more while it comes, and then nothing else waits. Elements that wait are put together, however small the
/// frames are that bring them: what they take is not much more than their bytes.
public struct StreamInflow: Sendable {
    /// Whole elements, one after the other.
    public struct Chunk: Sendable {
        /// The elements' bytes, behind the table of what they hand over where there is one.
        public var bytes: [UInt8]
        /// Whether there is one.
        public var hasReferences: Bool
        /// Whether it is one element, with which no others are put together.
        fileprivate var isSingle: Bool
        /// Its bytes for which credit has not been granted yet.
        fileprivate var owed: Int
    }

    /// How much a receiver takes unless it says otherwise.
    public static let defaultWindow: UInt32 = 1024 * 1024

    /// Elements are put together up to this many bytes.
    private static let largestChunk = FrameHead.maximumBody

    private let window: Int
    private let limit: Int
    private var allowed: Int
    private var chunks: ArraySlice<Chunk> = []
    private var partial: Chunk?
    /// Bytes that were read, or need not be, and are still to be granted.
    private var free = 0

    /// A stream of which nothing has come.
    ///
    /// - Parameters:
    ///   - window: how many bytes the sender may be ahead of the reader.
    ///   - limit: most bytes of one element.
    public init(window: UInt32, limit: Int) {
        self.window = Int(window)
        self.limit = limit
        allowed = Int(window)
    }

    /// Whether something can be read.
    public var hasChunk: Bool { !chunks.isEmpty }

    /// Bytes that are held.
    public var heldBytes: Int { chunks.reduce(partial?.bytes.count ?? 0) { $0 + $1.bytes.count } }

    /// A frame came.
    ///
    /// - Returns: how much credit to grant now; 0 for none.
    /// - Throws: `protocolViolation` for data beyond the credit, and for frames that bring nothing or hand something over where no element begins;
    ///   `tooLarge` for an element beyond the limit.
    public mutating func receive(_ body: UnsafeRawBufferPointer, _ flags: ChannelFlags) throws(TelekinesisError) -> UInt32 {
        guard allowed > 0 else { throw TelekinesisError(.protocolViolation, "a stream sent more than it was granted", ran: .no) }
        // It would cost its sender no credit.
        guard !body.isEmpty else { throw TelekinesisError(.protocolViolation, "a stream sent a frame with nothing in it", ran: .no) }
        guard partial == nil || flags.isDisjoint(with: Self.ofFirst) else {
            throw TelekinesisError(.protocolViolation, "a stream sent references in the middle of an element", ran: .no)
        }
        let cost = body.count + StreamOutflow.extraCost(flags)
        allowed -= cost
        guard (partial?.bytes.count ?? 0) + body.count <= limit else {
            throw TelekinesisError(.tooLarge, "an element of more than \(limit) bytes: raise `maximumValue` at the receiver", ran: .no)
        }
        let isSingle = !flags.isDisjoint(with: Self.ofFirst)
        var chunk = partial.take() ?? Chunk(bytes: [], hasReferences: flags.contains(.references), isSingle: isSingle, owed: 0)
        if chunk.bytes.isEmpty, !isSingle, !flags.contains(.partial), addToLast(body, owed: cost) { return grant() }
        chunk.bytes.append(contentsOf: body)
        chunk.owed += cost
        if flags.contains(.partial) {
            partial = chunk
        } else if chunk.isSingle || !chunk.bytes.withUnsafeBytes({ addToLast($0, owed: chunk.owed) }) {
            chunks.append(chunk)
        }
        return grant()
    }

    /// What the first frame of an element may say of it.
    private static let ofFirst: ChannelFlags = [.references, .stored]

    /// Puts whole elements that hand nothing over behind the last ones that wait.
    ///
    /// - Returns: `false` when they need a chunk of their own.
    private mutating func addToLast(_ bytes: UnsafeRawBufferPointer, owed: Int) -> Bool {
        guard let last = chunks.indices.last, !chunks[last].isSingle, chunks[last].bytes.count + bytes.count <= Self.largestChunk
        else { return false }
        chunks[last].bytes.append(contentsOf: bytes)
        chunks[last].owed += owed
        return true
    }

    /// Takes the next elements to read.
    ///
    /// - Returns: them, and how much credit to grant now.
    public mutating func take() -> (chunk: Chunk, grant: UInt32)? {
        guard let first = chunks.indices.first else { return nil }
        // Swapped, since the list keeps the memory of what it has lost at its beginning.
        var chunk = Chunk(bytes: [], hasReferences: false, isSingle: false, owed: 0)
        swap(&chunk, &chunks[first])
        chunks.removeFirst()
        free += chunk.owed
        return (chunk, grant())
    }

    private mutating func grant() -> UInt32 {
        // What is not whole can only be read when the rest has come.
        if chunks.isEmpty, allowed + free <= 0, let owed = partial?.owed {
            free += owed
            partial?.owed = 0
        }
        guard free * 2 >= window || allowed <= 0 && free > 0 else { return 0 }
        let amount = free
        free = 0
        allowed += amount
        return UInt32(clamping: amount)
    }
}
