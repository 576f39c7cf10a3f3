internal import Reactor
internal import TelekinesisProtocol

/// A call whose arguments come in parts.
struct ArrivingCall {
    /// The head of its frame.
    let frame: [UInt8]
    let place: Arrivals.Place
    /// The key under which its caller wants the object that it makes or returns: calls to that may come before the arguments are whole.
    let produced: ActorKey?
    /// The objects, functions and streams among the arguments.
    let received: ReceivedReferences?
    /// Until when the caller waits, on the clock of ``CallScope``; `nil` for ever.
    let deadline: UInt64?
    var transfer: IncomingTransfer
    fileprivate(set) var timer: Timer?

    fileprivate var size: Int { transfer.count }
}

/// The calls whose arguments come in parts, and how much of the room for large arguments each caller has: until the call has its answer, since the
/// arguments are kept as long. Those that come in one frame have their part of that room too, unless they are small.
struct Uploads {
    /// What all callers together, and each of them, may have under way.
    struct Limits {
        let bytes: Int
        let bytesPerCaller: Int
        let calls: Int
        let callsPerCaller: Int
    }

    private(set) var calls: [IncomingCall.ID: ArrivingCall] = [:]
    /// Bytes of the arguments that have come whole, of calls without an answer.
    private var whole: [IncomingCall.ID: Int] = [:]
    private var bytesOfCallers = Shares()
    private var callsOfCallers = Shares()

    var isEmpty: Bool { calls.isEmpty }

    /// Arguments of this many bytes are bounded by the number of calls.
    static let smallArguments = 4 * 1024

    /// Whether some call without an answer has large arguments that have come whole.
    var hasWhole: Bool { !whole.isEmpty }

    /// What has come of all that have no answer.
    var bytes: Int { bytesOfCallers.total }

    /// A large call wants to begin.
    ///
    /// - Parameter size: bytes of its first part.
    func admit(_ id: IncomingCall.ID, size: Int, limits: Limits) throws(TelekinesisError) {
        guard calls[id] == nil, whole[id] == nil else {
            throw TelekinesisError(.protocolViolation, "the call id \(id.call) is in use")
        }
        guard calls.count < limits.calls, callsOfCallers[id.source] < limits.callsPerCaller else {
            throw TelekinesisError(.overloaded, "too many calls with large arguments are on their way to this provider")
        }
        try checkRoom(for: size, of: id.source, limits)
    }

    private func checkRoom(for size: Int, of caller: NodeID, _ limits: Limits) throws(TelekinesisError) {
        guard bytes + size <= limits.bytes else {
            throw TelekinesisError(
                .overloaded, "the calls under way at this provider have too many large arguments (`maximumPartialBytes`): try again later")
        }
        guard bytesOfCallers[caller] + size <= limits.bytesPerCaller else {
            throw TelekinesisError(
                .overloaded,
                "the calls of this node under way at this provider have more than \(limits.bytesPerCaller) bytes of large arguments "
                    + "(`maximumPartialBytesPerCaller`): await some first")
        }
    }

    /// A call has come in one frame, and begins. Its arguments count until it has its answer.
    ///
    /// - Parameter size: bytes of its arguments.
    mutating func keep(_ id: IncomingCall.ID, size: Int, limits: Limits) throws(TelekinesisError) {
        try checkRoom(for: size, of: id.source, limits)
        whole[id] = size
        bytesOfCallers.add(size, for: id.source)
    }

    /// It begins.
    mutating func insert(_ call: ArrivingCall, _ id: IncomingCall.ID) {
        calls[id] = call
        bytesOfCallers.add(call.size, for: id.source)
        callsOfCallers.add(1, for: id.source)
    }

    /// Ends the call at its deadline.
    ///
    /// - Returns: `false` when it has ended before.
    mutating func set(_ timer: Timer, for id: IncomingCall.ID) -> Bool {
        guard calls[id] != nil else { return false }
        calls[id]?.timer = timer
        return true
    }

    /// More of it came.
    ///
    /// - Returns: how much its caller may send in addition; `nil` when there is no such call.
    mutating func append(_ part: UnsafeRawBufferPointer, to id: IncomingCall.ID, limits: Limits) throws(TelekinesisError) -> UInt32? {
        guard calls[id] != nil else { return nil }
        try checkRoom(for: part.count, of: id.source, limits)
        let granted = try calls[id]?.transfer.append(part)
        bytesOfCallers.add(part.count, for: id.source)
        return granted
    }

    /// It is whole. Its arguments count until it has its answer.
    mutating func complete(_ id: IncomingCall.ID) -> ArrivingCall? {
        guard let call = takeOut(id) else { return nil }
        whole[id] = call.size
        return call
    }

    /// It ends before it is whole.
    mutating func remove(_ id: IncomingCall.ID) -> ArrivingCall? {
        guard let call = takeOut(id) else { return nil }
        bytesOfCallers.add(-call.size, for: id.source)
        return call
    }

    private mutating func takeOut(_ id: IncomingCall.ID) -> ArrivingCall? {
        guard let call = calls.removeValue(forKey: id) else { return nil }
        call.timer?.cancel()
        callsOfCallers.add(-1, for: id.source)
        return call
    }

    /// A call that had come whole, or in one frame, has its answer.
    mutating func answered(_ id: IncomingCall.ID) {
        if let size = whole.removeValue(forKey: id) { bytesOfCallers.add(-size, for: id.source) }
    }
}
