internal import Reactor
internal import Synchronization
internal import TelekinesisProtocol

/// A call that waits at a name until somebody serves it, or has room for it.
struct WaitingCall: Sendable {
    /// What the caller wants.
    enum Purpose: Sendable {
        /// To bind a handle.
        case resolve
        /// To call what serves the name.
        case route
        /// To call an object whose creation waits in front of it.
        case created(ActorKey)
        /// To hold a place under this handle, for so many milliseconds.
        case reserve(handle: UInt32, lease: UInt32)
    }

    let caller: HubSession
    let id: CallID
    let purpose: Purpose
    /// Which provider will do.
    var wish = Wish.any
    /// Whether it waits as well while nobody serves the name.
    var mayWait = true
    /// The key that the caller has chosen for the result.
    let resultKey: ActorKey?
    /// When the caller's patience ends, on the hub's clock.
    let deadline: UInt64
    /// The call, and data that followed it.
    var frames: [UInt8]
    /// Whether the word that it is not wanted any more is among them.
    var isCancelled = false
    var timer: Timer?

    /// Whether it is to make this object, or is a call of it.
    func concerns(_ key: ActorKey) -> Bool { if case .created(key) = purpose { true } else { resultKey == key } }

    /// Whether it waits for nothing but room at any provider.
    var isPlain: Bool { if case .route = purpose, case .any = wish { !mayWait } else { false } }
}

/// The calls that wait at one name, in order. At most one of them is leaving: it takes with it what still comes of it, until it has left.
struct WaitingCalls: Sendable {
    /// Whoever left the middle leaves a hole.
    private var slots: [WaitingCall?] = []
    private var head = 0
    /// How many stand in `slots`, and how many of them are not plain.
    private var standing = 0
    private var particular = 0
    private var leaving: WaitingCall?
    private var bytes = 0

    /// What one session has in the queue.
    private struct Share {
        var calls = 0
        var bytes = 0
    }

    private var shares: [ObjectIdentifier: Share] = [:]

    var isEmpty: Bool { standing == 0 && leaving == nil }
    var count: Int { standing + (leaving == nil ? 0 : 1) }
    var isLeaving: Bool { leaving != nil }

    /// Whether the creation of an object, or a call of it, waits or is leaving.
    func concern(_ key: ActorKey) -> Bool {
        if isEmpty { return false }
        return leaving?.concerns(key) ?? false || slots[head...].contains { $0?.concerns(key) ?? false }
    }

    mutating func append(_ call: WaitingCall, limits: HubLimits) throws(TelekinesisError) {
        let free = limits.waitingCallsPerName - count
        guard free > 0, share(of: call.caller).calls <= free, fits(call.frames.count, of: call.caller, limits) else {
            throw TelekinesisError(
                .overloaded,
                "too much waits: at most \(limits.waitingCallsPerName) calls and \(limits.waitingBytesPerName) bytes for one name, "
                    + "of one node no more than is still free, and \(limits.waitingBytesPerSession) bytes of it for all names", ran: .no)
        }
        charge(call.caller, call.frames.count, calls: 1)
        standing += 1
        if !call.isPlain { particular += 1 }
        slots.append(call)
    }

    /// More of a call that waits.
    ///
    /// - Returns: `false` when there is no room.
    mutating func extend(_ id: CallID, of caller: HubSession, by data: UnsafeRawBufferPointer, limits: HubLimits) -> Bool {
        guard fits(data.count, of: caller, limits) else { return false }
        if let call = leaving, call.id == id, call.caller === caller {
            leaving?.frames.append(contentsOf: data)
        } else {
            guard let slot = slot(of: id, caller) else { return false }
            slots[slot]?.frames.append(contentsOf: data)
        }
        charge(caller, data.count)
        return true
    }

    /// A call that leaves is not wanted any more: the word of that follows it.
    ///
    /// - Returns: `false` when it is not leaving.
    mutating func cancelLeaving(_ id: CallID, of caller: HubSession, by frame: UnsafeRawBufferPointer) -> Bool {
        guard let call = leaving, call.id == id, call.caller === caller else { return false }
        guard !call.isCancelled else { return true }
        leaving?.isCancelled = true
        leaving?.frames.append(contentsOf: frame)
        charge(caller, frame.count)
        return true
    }

    /// Notes the timer of a call.
    ///
    /// - Returns: `false` when the call has left.
    mutating func set(_ timer: Timer, for id: CallID, of caller: HubSession) -> Bool {
        guard let slot = slot(of: id, caller) else { return false }
        slots[slot]?.timer = timer
        return true
    }

    /// Takes a call out, unless it is leaving.
    mutating func remove(_ id: CallID, of caller: HubSession) -> WaitingCall? { slot(of: id, caller).flatMap { remove(at: $0) } }

    /// Takes a call out that ``first(where:)`` has found.
    mutating func remove(at slot: Int) -> WaitingCall? {
        guard let call = take(slot) else { return nil }
        charge(call.caller, -call.frames.count, calls: -1)
        return call
    }

    // MARK: Leaving

    /// The first call of which `decide` says something. Where all that wait are plain, the first one speaks for the others.
    func first<Verdict>(where decide: (WaitingCall) -> Verdict?) -> (slot: Int, verdict: Verdict)? {
        guard leaving == nil, standing > 0 else { return nil }
        for slot in head..<slots.count {
            guard let call = slots[slot] else { continue }
            if let verdict = decide(call) { return (slot, verdict) }
            if particular == 0 { return nil }
        }
        return nil
    }

    /// A call that ``first(where:)`` has found starts to leave. Until it has left nobody else does.
    mutating func leave(from slot: Int) -> WaitingCall? {
        guard leaving == nil, let call = take(slot) else { return nil }
        leaving = call
        return call
    }

    /// What the call that leaves has yet to take with it; `nil` when it has taken everything, and is gone.
    mutating func takeFrames() -> [UInt8]? {
        guard let call = leaving else { return nil }
        guard !call.frames.isEmpty else {
            leaving = nil
            charge(call.caller, 0, calls: -1)
            return nil
        }
        charge(call.caller, -call.frames.count)
        leaving?.frames = []
        return call.frames
    }

    /// The call that leaves is first among those that wait again, with what it had taken.
    ///
    /// - Returns: `false` when it is not wanted any more, and gone.
    mutating func putBack(_ frames: [UInt8]) -> Bool {
        guard var call = leaving.take() else { return false }
        guard !call.isCancelled else {
            charge(call.caller, -call.frames.count, calls: -1)
            return false
        }
        charge(call.caller, frames.count)
        call.frames = frames + call.frames
        call.timer = nil
        standing += 1
        if !call.isPlain { particular += 1 }
        if head > 0 { head -= 1 } else { slots.insert(nil, at: 0) }
        slots[head] = call
        return true
    }

    private mutating func take(_ slot: Int) -> WaitingCall? {
        guard let call = slots[slot].take() else { return nil }
        standing -= 1
        if !call.isPlain { particular -= 1 }
        while head < slots.count, slots[head] == nil { head += 1 }
        if head == slots.count {
            (slots, head) = ([], 0)
        } else if slots.count > 2 * standing + 32 {
            slots = slots.filter { $0 != nil }
            head = 0
        }
        return call
    }

    /// Whether there is room. A session may have as much of the queue as it leaves free, so that there is always some for those that have less: one by
    /// itself fills half of it, two a third each.
    private func fits(_ count: Int, of caller: HubSession, _ limits: HubLimits) -> Bool {
        let free = limits.waitingBytesPerName - bytes
        return count <= free && share(of: caller).bytes <= free
            && caller.waitingBytes.load(ordering: .relaxed) + count <= limits.waitingBytesPerSession
    }

    private func share(of caller: HubSession) -> Share { shares[ObjectIdentifier(caller)] ?? Share() }

    private mutating func charge(_ caller: HubSession, _ count: Int, calls: Int = 0) {
        bytes += count
        caller.waitingBytes.add(count, ordering: .relaxed)
        var share = share(of: caller)
        share.bytes += count
        share.calls += calls
        shares[ObjectIdentifier(caller)] = share.calls == 0 ? nil : share
    }

    private func slot(of id: CallID, _ caller: HubSession) -> Int? {
        slots.indices.dropFirst(head).first { slots[$0].map { $0.id == id && $0.caller === caller } ?? false }
    }
}
