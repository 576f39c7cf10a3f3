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

/// The calls whose arguments come in parts, and how much of the room for those each caller has.
struct Uploads {
    /// What all callers together, and each of them, may have under way.
    struct Limits {
        let bytes: Int
        let bytesPerCaller: Int
        let calls: Int
        let callsPerCaller: Int
    }

    private struct Share {
        var bytes = 0
        var calls = 0
    }

    private(set) var calls: [IncomingCall.ID: ArrivingCall] = [:]
    /// What has come of all.
    private(set) var bytes = 0
    private var shares: [NodeID: Share] = [:]

    var isEmpty: Bool { calls.isEmpty }

    /// A large call wants to begin.
    ///
    /// - Parameter size: bytes of its first part.
    func admit(_ id: IncomingCall.ID, size: Int, limits: Limits) throws(TelekinesisError) {
        guard calls[id] == nil else { throw TelekinesisError(.protocolViolation, "the call id \(id.call) is in use") }
        guard calls.count < limits.calls, shares[id.source, default: Share()].calls < limits.callsPerCaller else {
            throw TelekinesisError(.overloaded, "too many calls with large arguments are on their way to this provider")
        }
        try checkRoom(for: size, of: id.source, limits)
    }

    private func checkRoom(for size: Int, of caller: NodeID, _ limits: Limits) throws(TelekinesisError) {
        guard bytes + size <= limits.bytes else {
            throw TelekinesisError(
                .overloaded, "too many large values are on their way to this provider (`maximumPartialBytes`): try again later")
        }
        guard shares[caller, default: Share()].bytes + size <= limits.bytesPerCaller else {
            throw TelekinesisError(
                .overloaded,
                "this node sends more than \(limits.bytesPerCaller) bytes to this provider at once (`maximumPartialBytesPerCaller`): "
                    + "await some first")
        }
    }

    /// It begins.
    mutating func insert(_ call: ArrivingCall, _ id: IncomingCall.ID) {
        calls[id] = call
        charge(id.source, bytes: call.size, calls: 1)
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
        charge(id.source, bytes: part.count, calls: 0)
        return granted
    }

    /// It is whole, or ends before.
    mutating func remove(_ id: IncomingCall.ID) -> ArrivingCall? {
        guard let call = calls.removeValue(forKey: id) else { return nil }
        call.timer?.cancel()
        charge(id.source, bytes: -call.size, calls: -1)
        return call
    }

    private mutating func charge(_ caller: NodeID, bytes: Int, calls: Int) {
        self.bytes += bytes
        var share = shares[caller, default: Share()]
        share.bytes += bytes
        share.calls += calls
        shares[caller] = share.calls == 0 ? nil : share
    }
}
