internal import TelekinesisProtocol

/// A call on its way out: the frame with its head still empty, and where it goes.
struct OutgoingCall: Sendable {
    let id: CallID
    let target: ActorTarget
    var flags: CallFlags
    let deadline: UInt64
    /// Head and body. More than one frame when the arguments are large.
    var bytes: [UInt8]

    /// Writes the head, as things stand at `now`.
    ///
    /// - Returns: how many bytes of `bytes` the first frame has; the rest is to follow as data.
    mutating func writeHead(now: UInt64) -> Int {
        let headSize = FrameType.call.headSize
        let firstSize = min(bytes.count, headSize + FrameHead.maximumBody)
        if firstSize < bytes.count { flags.insert(.more) }
        let remaining =
            deadline == .max ? UInt32.max : UInt32(clamping: min((deadline - min(now, deadline)) / 1_000_000, UInt64(UInt32.max - 1)))
        let (peer, address): (NodeID, CallAddress) =
            switch target.place {
            case .route(let route): (.hub, .route(route.handle))
            case .local, .remote: (target.node, .key(target.key ?? .control))
            }
        bytes.withUnsafeMutableBytes { memory in
            FrameWriter.call(
                over: UnsafeMutableRawBufferPointer(rebasing: memory[..<firstSize]), flags: flags, peer: peer, call: id, target: address,
                remaining: remaining)
        }
        return firstSize
    }
}

/// Holds later calls to an object back while a large one to it is still leaving, so that calls arrive in the order sent.
struct SendOrder: Sendable {
    private var waiting: [ActorTarget.Address: [OutgoingCall]] = [:]

    /// Whether a call must wait. If so it is kept.
    mutating func mustWait(_ call: OutgoingCall) -> Bool {
        guard !waiting.isEmpty, waiting[call.target.address] != nil else { return false }
        waiting[call.target.address]?.append(call)
        return true
    }

    /// A large call to `address` starts to leave.
    mutating func block(_ address: ActorTarget.Address) { if waiting[address] == nil { waiting[address] = [] } }

    /// The large call has left, or will not: the calls that waited for it.
    mutating func unblock(_ address: ActorTarget.Address) -> [OutgoingCall] { waiting.removeValue(forKey: address) ?? [] }

    /// Forgets everything: the connection is gone.
    mutating func removeAll() -> [OutgoingCall] {
        defer { waiting = [:] }
        return waiting.values.flatMap { $0 }
    }
}
