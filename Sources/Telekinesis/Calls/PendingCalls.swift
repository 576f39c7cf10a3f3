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

    /// How many calls await an answer.
    var count: Int { entries.count }

    /// A call begins.
    ///
    /// - Returns: whether the time to look for late calls has moved forward.
    mutating func insert(_ id: CallID, _ entry: Entry) -> Bool {
        entries.insert(entry, for: id)
        guard entry.deadline < nextDeadline else { return false }
        nextDeadline = entry.deadline
        return true
    }

    /// A call ends. `nil` when it has ended already.
    mutating func finish(_ id: CallID) -> Entry? { entries.remove(id) }

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
        return ids.compactMap { id in entries.remove(id).map { (id, $0) } }
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
