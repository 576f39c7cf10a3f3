internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Arguments too large for one frame, on their way.
struct Upload: Sendable {
    var parts: OutgoingParts
    let call: OutgoingCall
}

extension NodeSession {
    func pump(_ id: CallID, on link: any FrameLink) {
        guard state.withLock({ $0.uploads[id]?.parts.begin() ?? false }) else { return }
        while let (part, peer) = state.withLock({ $0.nextPart(of: id) }) {
            switch link.sendData(part.part, flags: part.isLast ? .last : [], peer: peer, call: id, limit: QueueLimit.data) {
            case .queued: if part.isLast { abandonUpload(id) }
            // The end of the link ends the call.
            case .closed: return
            case .full:
                state.withLock { $0.uploads[id]?.parts.putBack(part) }
                _ = loop.schedule(after: OutgoingParts.pause) { [weak self] in self?.pump(id, on: link) }
                return
            }
        }
    }

    /// An upload has ended, one way or the other: calls that waited behind it go.
    func abandonUpload(_ id: CallID) {
        if let upload = state.withLock({ $0.uploads.removeValue(forKey: id) }) { letPass(upload.call) }
    }

    /// Sends the calls that waited behind a large one, until another large one is among them, and those that waited for the objects which these
    /// are to return.
    func letPass(_ large: OutgoingCall) {
        var addresses = [large.target.address]
        state.withLock { $0.order.unblock(large) }
        while let address = addresses.popLast() {
            if state.withLock({ $0.order.beginPassing(address) }) { letPass(address) { addresses.append(.object($0)) } }
        }
    }

    /// - Parameter produced: told the keys under which calls to what these return may now leave.
    private func letPass(_ address: ActorTarget.Address, produced: (ActorKey) -> Void) {
        while true {
            let (call, link, waiting) = state.withLock { state -> (OutgoingCall?, (any FrameLink)?, [OutgoingCall]) in
                guard case .open(let link) = state.phase else {
                    let waiting = state.order.removeAll()
                    for call in waiting where (try? state.pending.update(call.id) { $0.wasSent = false }) != nil {
                        state.held.append(call.mayWait)
                    }
                    return (nil, nil, waiting)
                }
                return (state.order.next(address), link, [])
            }
            withExtendedLifetime(waiting) {}
            guard let call = call.map(refreshed), let link else { return }
            let isWanted = state.withLock { state in
                if (try? state.pending.update(call.id) { $0.leaves(for: call.peer) }) != nil { return true }
                state.order.unblock(call)
                return false
            }
            if isWanted { transmit(call, on: link) }
            if let key = call.resultKey, state.withLock({ $0.order.unblockResult(of: call, key) }) { produced(key) }
        }
    }

    func creditForArguments(_ frame: Frame) {
        let id = frame.call
        let link = state.withLock { state -> (any FrameLink)? in
            state.uploads[id]?.parts.grant(frame.amount)
            return state.phase.link
        }
        if let link { pump(id, on: link) }
    }
}

extension NodeSession.State {
    fileprivate mutating func nextPart(of id: CallID) -> (OutgoingParts.Part, NodeID)? {
        guard let part = uploads[id]?.parts.next(), let upload = uploads[id] else { return nil }
        return (part, upload.call.peer)
    }
}
