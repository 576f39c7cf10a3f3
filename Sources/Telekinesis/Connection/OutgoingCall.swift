internal import TelekinesisProtocol

/// A call on its way out: its frame, and where it goes.
struct OutgoingCall: Sendable {
    let id: CallID
    let target: ActorTarget
    let deadline: UInt64
    /// Head and body. More than one frame when the arguments are large.
    private(set) var bytes: [UInt8]
    /// The end of the body, where that lies by itself: it follows the first frame.
    private let tail: [UInt8]?
    private var flags: CallFlags
    /// What its arguments hand over.
    let references: OutgoingReferences?

    /// Whether it does not fit into one frame.
    var isLarge: Bool { bytes.count > Self.largestFrame || tail != nil }

    /// What follows the first frame.
    var rest: OutgoingTransfer { tail.map { OutgoingTransfer($0, from: 0) } ?? OutgoingTransfer(bytes, from: firstFrameSize) }

    /// The node that its frames name; 0 where the hub chooses, or is the only one to know. What was so when the head was written: the target may have
    /// found its place since.
    private(set) var peer = NodeID.hub

    /// Whether the hub decides, or has decided, who gets it: whatever serves a name, or what was just made by way of one.
    var isForWhomTheHubChooses: Bool {
        switch target.place {
        case .route, .reserved: true
        case .remote: peer == .hub && target !== ControlCall.target
        case .local: false
        }
    }

    /// Why it cannot be made: the reservation that it is for has ended, as all do with their connection.
    func refusal(connection: UInt64) -> TelekinesisError? {
        guard case .reserved(let route) = target.place else { return nil }
        return route.lease?.refusal(connection: connection)
    }

    /// Whether it goes to a reserved provider: it cannot wait for another connection.
    var isForReserved: Bool { if case .reserved = target.place { true } else { false } }

    /// The call as it is made after a connection was lost: the provider, which may have lost its own, is given time to come back.
    var mayWait: OutgoingCall {
        guard case .route = target.place else { return self }
        var call = self
        call.flags.insert(.mayWait)
        return call
    }

    /// The key that the caller has chosen for the result.
    var resultKey: ActorKey? {
        guard flags.contains(.resultKey), bytes.count >= FrameType.call.headSize + 16 else { return nil }
        return bytes.withUnsafeBytes { ActorKey(loading: $0, at: FrameType.call.headSize) }
    }

    /// A call that leaves now.
    ///
    /// - Parameters:
    ///   - frame: body behind an empty head. Owned by nobody else, so that writing the head copies nothing.
    ///   - now: the time on the clock of the deadline.
    init(
        id: CallID, target: ActorTarget, flags: CallFlags, deadline: UInt64, frame: consuming SplitBytes,
        references: OutgoingReferences? = nil, now: UInt64
    ) {
        self.id = id
        self.target = target
        self.flags = flags
        self.references = references
        self.deadline = deadline
        frame.join(beyond: Self.largestFrame)
        tail = frame.tail
        bytes = []
        swap(&bytes, &frame.bytes)
        if isLarge { self.flags.insert(.more) }
        writeHead(now: now)
    }

    private static let largestFrame = FrameType.call.headSize + FrameHead.maximumBody

    /// How many bytes of `bytes` the first frame has; the rest is to follow as data.
    var firstFrameSize: Int { min(bytes.count, Self.largestFrame) }

    /// Writes the head, as things stand at `now`: again when the call has waited, as its time is shorter then and its target may have a place.
    mutating func writeHead(now: UInt64) {
        let firstSize = firstFrameSize
        // Rounded up: 0 says that there is none.
        let remaining =
            deadline == .max
            ? UInt32.max : UInt32(clamping: min((deadline - min(now, deadline) + 999_999) / 1_000_000, UInt64(UInt32.max - 1)))
        let address: CallAddress
        switch target.place {
        case .route(let route), .reserved(let route): address = .route(route.handle)
        case .local, .remote:
            peer = target.node
            address = .key(target.key ?? .control)
        }
        let peer = peer
        bytes.withUnsafeMutableBytes { memory in
            FrameWriter.call(
                over: UnsafeMutableRawBufferPointer(rebasing: memory[..<firstSize]), flags: flags, peer: peer, call: id, target: address,
                remaining: remaining)
        }
    }
}

/// Holds later calls to an object back while a large one to it is still leaving, so that calls arrive in the order sent.
struct SendOrder: Sendable {
    private struct Queue {
        /// The large call that is leaving.
        var blocker: CallID?
        /// Somebody is sending the calls behind it, one after the other.
        var isPassing = false
        var calls: ArraySlice<OutgoingCall> = []
    }

    private var queues: [ActorTarget.Address: Queue] = [:]

    /// A call is about to leave. A large one makes those to its object wait that come after it.
    ///
    /// - Returns: whether it must wait itself; if so it is kept.
    mutating func mustWait(_ call: OutgoingCall) -> Bool {
        if !queues.isEmpty, queues[call.target.address] != nil {
            queues[call.target.address]?.calls.append(call)
            // Calls to what it is to return must not leave before it.
            if let key = call.resultKey { queues[.object(key)] = Queue(blocker: call.id) }
            return true
        }
        if call.isLarge { queues[call.target.address] = Queue(blocker: call.id) }
        return false
    }

    /// A large call has left, or will not.
    mutating func unblock(_ call: OutgoingCall) {
        if queues[call.target.address]?.blocker == call.id { queues[call.target.address]?.blocker = nil }
    }

    /// A call that has waited has left, or will not: calls to what it is to return may leave.
    ///
    /// - Returns: whether there may be some.
    mutating func unblockResult(of call: OutgoingCall, _ key: ActorKey) -> Bool {
        guard queues[.object(key)]?.blocker == call.id else { return false }
        queues[.object(key)]?.blocker = nil
        return true
    }

    /// Whether the calls behind a large one may be sent now; only one at a time does that.
    mutating func beginPassing(_ address: ActorTarget.Address) -> Bool {
        guard let queue = queues[address], queue.blocker == nil, !queue.isPassing else { return false }
        queues[address]?.isPassing = true
        return true
    }

    /// The next call that may leave. When there is none, or it must wait for another large one, passing has ended.
    mutating func next(_ address: ActorTarget.Address) -> OutgoingCall? {
        guard queues[address]?.blocker == nil, let call = queues[address]?.calls.popFirst() else {
            if queues[address]?.blocker == nil { queues[address] = nil } else { queues[address]?.isPassing = false }
            return nil
        }
        if call.isLarge { queues[address]?.blocker = call.id }
        return call
    }

    /// Forgets everything: these calls wait for the next connection.
    ///
    /// - Returns: the calls that have not left, in the order in which they were made.
    mutating func removeAll() -> [OutgoingCall] {
        defer { queues = [:] }
        return queues.values.flatMap(\.calls).sorted { $0.id < $1.id }
    }
}
