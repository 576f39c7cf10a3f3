internal import Reactor
internal import Synchronization
internal import TelekinesisProtocol

/// A call that waits at a name until somebody serves it.
struct WaitingCall: Sendable {
    /// What the caller wants.
    enum Purpose: Sendable {
        /// To bind a handle.
        case resolve
        /// To call what serves the name.
        case route
        /// To call an object whose creation waits in front of it.
        case created(ActorKey)
    }

    let caller: HubSession
    let id: CallID
    let purpose: Purpose
    /// The key that the caller has chosen for the result.
    let resultKey: ActorKey?
    /// When the caller's patience ends, on the hub's clock.
    let deadline: UInt64
    /// The call, and data that followed it.
    var frames: [UInt8]
    var timer: Timer?
    /// Where it is going: it takes further data with it until it has left.
    var isLeaving = false
}

/// The calls that wait at one name, in order.
struct WaitingCalls: Sendable {
    private var calls: [WaitingCall] = []
    private var bytes = 0

    var isEmpty: Bool { calls.isEmpty }
    var count: Int { calls.count }

    mutating func append(_ call: WaitingCall, limits: HubLimits) throws(TelekinesisError) {
        guard calls.count < limits.waitingCallsPerName, fits(call.frames.count, of: call.caller, limits) else {
            throw TelekinesisError(
                .overloaded,
                "too much waits: at most \(limits.waitingCallsPerName) calls and \(limits.waitingBytesPerName) bytes for one name, "
                    + "and \(limits.waitingBytesPerSession) bytes of one node", ran: .no)
        }
        charge(call.caller, call.frames.count)
        calls.append(call)
    }

    /// More of a call that waits.
    ///
    /// - Returns: `false` when there is no room.
    mutating func extend(_ id: CallID, of caller: HubSession, by data: UnsafeRawBufferPointer, limits: HubLimits) -> Bool {
        guard let index = index(id, of: caller), fits(data.count, of: caller, limits) else { return false }
        calls[index].frames.append(contentsOf: data)
        charge(caller, data.count)
        return true
    }

    /// Notes the timer of a call.
    ///
    /// - Returns: `false` when the call has left.
    mutating func set(_ timer: Timer, for id: CallID, of caller: HubSession) -> Bool {
        guard let index = index(id, of: caller), !calls[index].isLeaving else { return false }
        calls[index].timer = timer
        return true
    }

    /// Takes a call out, unless it is leaving.
    mutating func remove(_ id: CallID, of caller: HubSession) -> WaitingCall? {
        guard let index = index(id, of: caller), !calls[index].isLeaving else { return nil }
        charge(caller, -calls[index].frames.count)
        return calls.remove(at: index)
    }

    /// Takes all out.
    mutating func removeAll() -> [WaitingCall] {
        let staying = calls.filter { !$0.isLeaving }
        calls.removeAll { !$0.isLeaving }
        for call in staying { charge(call.caller, -call.frames.count) }
        return staying
    }

    /// The first call starts to leave. It stays first, so that those behind it do not pass.
    mutating func leave() -> WaitingCall? {
        guard let first = calls.first, !first.isLeaving else { return nil }
        calls[0].isLeaving = true
        return first
    }

    /// What the call that leaves has yet to take with it; `nil` when it has taken everything, and is gone.
    mutating func takeFrames() -> [UInt8]? {
        guard let first = calls.first, first.isLeaving else { return nil }
        guard !first.frames.isEmpty else {
            calls.removeFirst()
            return nil
        }
        charge(first.caller, -first.frames.count)
        calls[0].frames = []
        return first.frames
    }

    private func fits(_ count: Int, of caller: HubSession, _ limits: HubLimits) -> Bool {
        bytes + count <= limits.waitingBytesPerName
            && caller.waitingBytes.load(ordering: .relaxed) + count <= limits.waitingBytesPerSession
    }

    private mutating func charge(_ caller: HubSession, _ count: Int) {
        bytes += count
        caller.waitingBytes.add(count, ordering: .relaxed)
    }

    private func index(_ id: CallID, of caller: HubSession) -> Int? {
        calls.firstIndex { $0.id == id && $0.caller === caller }
    }
}
