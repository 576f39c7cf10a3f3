internal import TelekinesisProtocol

/// The calls of this node that await an answer. Each leaves exactly once, whoever comes first: reply, deadline, cancellation or loss of the peer.
struct PendingCalls: ~Copyable {
    /// One call.
    struct Entry: Sendable {
        /// Who is told.
        let completion: Completion
        /// The node it went to; 0 where the hub chose.
        private(set) var peer: NodeID
        /// When the answer is no longer wanted.
        let deadline: UInt64
        /// Whether the caller chose that deadline.
        let deadlineWasChosen: Bool
        /// Whether it left this process.
        var wasSent: Bool
        /// A result too large for one frame, as far as it has come.
        var incoming: IncomingResult?
        /// The call itself where it went to a name: when the provider has moved it is sent again.
        var repeatable: OutgoingCall?
        /// How often it was sent again.
        var repetitions = 0

        /// The call, which has waited, leaves this process.
        mutating func leaves(for peer: NodeID) {
            self.peer = peer
            wasSent = true
        }

        /// Whether an answer may come from there: the node that was called or, where the hub chose, what the hub says it chose.
        func admits(_ source: NodeID, _ flags: ReplyFlags) -> Bool {
            source == peer || peer == .hub && flags.contains(.routed)
        }
    }

    /// A result that comes in parts.
    struct IncomingResult: Sendable {
        var transfer: IncomingTransfer
        let flags: ReplyFlags
        let source: NodeID
        /// The objects, functions and streams in it.
        let received: ReceivedReferences?
    }

    private var entries = IntegerTable<Entry>()
    /// No entry is due before this time.
    private(set) var nextDeadline = UInt64.max
    /// Bytes of all results that have come in part.
    private(set) var partialBytes = 0

    /// How many calls await an answer.
    var count: Int { entries.count }

    /// A call begins.
    ///
    /// - Returns: whether the time to look for late calls has moved forward.
    mutating func insert(_ id: CallID, _ entry: consuming Entry) -> Bool {
        let deadline = entry.deadline
        entries.insert(entry, for: id)
        guard deadline < nextDeadline else { return false }
        nextDeadline = deadline
        return true
    }

    /// A call ends. `nil` when it has ended already.
    mutating func finish(_ id: CallID) -> Entry? {
        guard let entry = entries.remove(id) else { return nil }
        partialBytes -= entry.incoming?.transfer.bytes.count ?? 0
        return entry
    }

    /// Changes a call that still awaits its answer.
    mutating func update<Result>(_ id: CallID, _ body: (inout Entry) throws(TelekinesisError) -> Result) throws(TelekinesisError) -> Result?
    {
        try entries.update(id, body)
    }

    /// A reply came in one piece.
    ///
    /// - Returns: the call it answers; `nil` when it is late, or comes from a node that was never asked.
    mutating func reply(to id: CallID, from source: NodeID, _ flags: ReplyFlags) -> Entry? {
        guard entries.update(id, { $0.admits(source, flags) }) == true else { return nil }
        return finish(id)
    }

    /// Whether a call awaits its answer.
    func contains(_ id: CallID) -> Bool { entries[id] != nil }

    /// Whether a call that awaits its answer has left this process.
    func wasSent(_ id: CallID) -> Bool { entries[id]?.wasSent ?? false }

    /// Takes out every call that is due.
    mutating func expire(at now: UInt64) -> [(id: CallID, entry: Entry)] {
        let due = removeAll { $0.deadline <= now }
        nextDeadline = .max
        entries.forEach { nextDeadline = min(nextDeadline, $1.deadline) }
        return due
    }

    /// Takes out every call that satisfies a condition.
    mutating func removeAll(where condition: (borrowing Entry) -> Bool) -> [(id: CallID, entry: Entry)] {
        var ids: [CallID] = []
        entries.forEach { if condition($1) { ids.append($0) } }
        return ids.compactMap { id in finish(id).map { (id, $0) } }
    }

    // MARK: Results that come in parts

    /// The first part of a result came. Ignored when nobody waits for it there.
    ///
    /// - Parameter limit: most bytes of all results that have come in part.
    /// - Throws: `overloaded` when this one does not fit any more.
    mutating func begin(_ result: IncomingResult, of id: CallID, limit: Int) throws(TelekinesisError) {
        guard entries.update(id, { $0.admits(result.source, result.flags) && $0.incoming == nil }) == true else { return }
        try checkRoom(for: result.transfer.bytes.count, limit)
        partialBytes += result.transfer.bytes.count
        _ = entries.update(id) { $0.incoming = result }
    }

    /// More of a result came.
    ///
    /// - Returns: how much its provider may send in addition; `nil` when nobody waits for it there.
    /// - Throws: `overloaded` when it does not fit any more, and what is wrong with the part itself.
    mutating func append(
        _ part: UnsafeRawBufferPointer, to id: CallID, from source: NodeID, limit: Int
    ) throws(TelekinesisError) -> UInt32? {
        guard entries.update(id, { $0.incoming?.source == source }) == true else { return nil }
        try checkRoom(for: part.count, limit)
        let granted = try entries.update(id) { (entry) throws(TelekinesisError) in try entry.incoming?.transfer.append(part) }
        partialBytes += part.count
        return granted ?? nil
    }

    private func checkRoom(for size: Int, _ limit: Int) throws(TelekinesisError) {
        guard partialBytes + size <= limit else {
            throw TelekinesisError(
                .overloaded,
                "the large results that this node is receiving take more than \(limit) bytes (`maximumPartialResultBytes`): await some first",
                ran: .yes)
        }
    }
}

/// Who is told how a call ended.
enum Completion: Sendable {
    /// A task that waits.
    case task(UnsafeContinuation<Reply, any Error>)
    /// Code that must not block and calls no user's code.
    case callback(@Sendable (Result<Reply, TelekinesisError>) -> Void)

    func resume(_ result: Result<Reply, TelekinesisError>) {
        switch self {
        case .callback(let body): body(result)
        case .task(let continuation):
            switch result {
            case .success(let reply): continuation.resume(returning: reply)
            case .failure(let error): continuation.resume(throwing: error)
            }
        }
    }
}
