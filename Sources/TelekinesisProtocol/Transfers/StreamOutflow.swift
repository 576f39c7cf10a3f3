/// The sending end of a stream: elements that wait for their batch, batches that wait for credit. Pure.
///
/// Elements go into a batch, one after the other; a batch leaves when it is full or when whoever drives this says that the producer pauses. An
/// element that is too large for a frame leaves by itself, in pieces. A frame may leave whenever there is any credit: the last one may take more
/// than was left.
public struct StreamOutflow: Sendable {
    /// A frame's body, and what its head says of it.
    public struct Part: Sendable {
        /// The body.
        public var body: ArraySlice<UInt8>
        /// ``ChannelFlags/partial``, ``ChannelFlags/references``, ``ChannelFlags/stored``.
        public var flags: ChannelFlags
        /// Which of the messages that hand something over it belongs to; `nil` for others.
        public var references: Int?

        fileprivate var cost: Int { body.count + StreamOutflow.extraCost(flags) }
    }

    /// How much a receiver may be ahead of its stream's credit: no more than this is ever granted at a time.
    public static let maximumCredit = 1 << 30

    /// What an element takes of the credit besides its bytes when it refers to stored values: few of those may be ahead of the reader, since they must be
    /// kept for it.
    public static let costOfStored = 64 * 1024

    static func extraCost(_ flags: ChannelFlags) -> Int { flags.contains(.stored) ? costOfStored : 0 }

    private var batch: [UInt8] = []
    private var sealed: ArraySlice<Part> = []
    private var credit: Int

    /// A stream whose receiver takes `window` bytes to begin with.
    public init(window: UInt32) { credit = Int(window) }

    /// Whether the producer may go on: there is credit for what waits, and more.
    public var hasRoom: Bool { sealed.isEmpty && credit > batch.count }

    /// Whether nothing waits.
    public var isEmpty: Bool { sealed.isEmpty && batch.isEmpty }

    /// Bytes that wait.
    public var waitingBytes: Int { sealed.reduce(batch.count) { $0 + $1.body.count } }

    /// Whether the batch is as large as a frame may be.
    public var isFull: Bool { batch.count >= FrameHead.maximumBody - 16 }

    /// Adds an element as its own bytes are written.
    ///
    /// - Returns: what `write` returns.
    @inline(__always)
    public mutating func append<Result, Failure>(_ write: (inout [UInt8]) throws(Failure) -> Result) throws(Failure) -> Result {
        try write(&batch)
    }

    /// Adds an element.
    ///
    /// - Parameters:
    ///   - references: the number of what it hands over, where its bytes begin with a table.
    ///   - isStored: whether it refers to stored values.
    public mutating func append(_ element: [UInt8], references: Int? = nil, isStored: Bool = false) {
        if references == nil, !isStored, batch.count + element.count <= FrameHead.maximumBody {
            batch += element
            return
        }
        seal()
        let flags = (references == nil ? ChannelFlags() : .references).union(isStored ? .stored : [])
        var rest = element[...]
        repeat {
            let body = rest.prefix(FrameHead.maximumBody)
            rest = rest.dropFirst(body.count)
            let isFirst = body.startIndex == 0
            sealed.append(
                Part(
                    body: body, flags: (isFirst ? flags : []).union(rest.isEmpty ? [] : .partial), references: isFirst ? references : nil))
        } while !rest.isEmpty
    }

    /// The batch takes no more.
    private mutating func seal() {
        guard !batch.isEmpty else { return }
        sealed.append(Part(body: batch[...], flags: [], references: nil))
        batch = []
        batch.reserveCapacity(FrameHead.maximumBody)
    }

    /// The next frame that may leave; `nil` when nothing waits or there is no credit.
    public mutating func next() -> Part? {
        guard credit > 0 else { return nil }
        if sealed.isEmpty { seal() }
        guard let first = sealed.indices.first else { return nil }
        // What has left is kept no longer, though its place is.
        var part = Part(body: [], flags: [], references: nil)
        swap(&part, &sealed[first])
        sealed.removeFirst()
        if sealed.isEmpty { sealed = [] }
        credit -= part.cost
        return part
    }

    /// A frame could not leave: it is the next one again.
    public mutating func putBack(_ part: Part) {
        credit += part.cost
        sealed = [part] + sealed
    }

    /// The receiver takes more.
    ///
    /// - Throws: `protocolViolation` when it grants more than anybody could want.
    public mutating func grant(_ amount: UInt32) throws(TelekinesisError) {
        credit += Int(amount)
        guard credit <= Self.maximumCredit else {
            throw TelekinesisError(.protocolViolation, "a stream was granted more than \(Self.maximumCredit) bytes at a time", ran: .no)
        }
    }
}
