internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// What goes from node to node by the address in its head.
extension HubSession {
    /// A call on a reference.
    func call(_ frame: Frame, from node: NodeID, on link: any FrameLink) throws(TelekinesisError) {
        let peer: SessionTables.Peer
        do throws(Unreachable) {
            peer = try meet(frame.peer, from: node, on: link)
        } catch {
            if error == .tooManyPeers { return refuse(frame.call, Self.tooManyPeers(board.limits), peer: frame.peer, on: link) }
            return try refuseGuess(frame.call, Self.nodeIsGone, peer: frame.peer, on: link)
        }
        switch peer.link.send(frame.bytes, count: 1, lane: .urgent, patch: FramePatch(peer: node), limit: QueueLimit.calls) {
        case .queued: break
        case .full: refuse(frame.call, Self.queueIsFull, peer: frame.peer, on: link)
        case .closed: refuse(frame.call, Self.nodeIsGone, peer: frame.peer, on: link)
        }
    }

    static let nodeIsGone = TelekinesisError(
        .disconnected, "the node of this object has gone, or has lost its connection to the hub", ran: .no)

    /// A reply, to a call by name or on a reference.
    func reply(_ frame: Frame, from node: NodeID) {
        let isLast = !ReplyFlags(rawValue: frame.flags).contains(.more)
        guard let caller = tables.withLock({ $0.peers[frame.peer.rawValue] }) else { return noteLateFrame() }
        let answer = caller.session.tables.withLock { $0.answer(frame.call, by: self, isLast: isLast) }
        if case .foreign = answer { return noteLateFrame() }
        if !caller.isAnnounced { announce(to: caller, frame.peer, from: node) }
        let patch = if case .routed = answer { FramePatch(peer: node, isRouted: true) } else { FramePatch(peer: node, isRouted: false) }
        let outcome = caller.link.send(frame.bytes, count: 1, lane: .urgent, patch: patch, limit: QueueLimit.replies)
        caller.session.noteReply(outcome, on: caller.link)
    }

    /// Late replies and data are normal: cancellation and farewells cross them.
    private func noteLateFrame() { board.lateFrames.add(1, ordering: .relaxed) }

    /// The first frame in this direction: the other end is told who this node is.
    private func announce(to peer: SessionTables.Peer, _ other: NodeID, from node: NodeID) {
        // The own link is only needed for entries that are missing; here both are there.
        guard let link = tables.withLock({ $0.link }) else { return }
        try? introduce(to: peer.session, other, peer.link, from: node, on: link)
    }

    /// Part of a large value: arguments towards a provider, which may not be known to the caller yet, or a result towards a caller.
    func data(_ frame: Frame, from node: NodeID, on link: any FrameLink) {
        let flags = ChannelFlags(rawValue: frame.flags)
        if frame.peer == .hub { return routedData(frame, from: node, on: link) }
        guard let peer = tables.withLock({ $0.peers[frame.peer.rawValue] }) else { return noteLateFrame() }
        let isResult = flags.contains(.towardsCaller)
        if isResult, flags.contains(.last), frame.channel == 0 {
            _ = peer.session.tables.withLock { $0.answer(frame.call, by: self, isLast: true) }
        }
        if !peer.isAnnounced { announce(to: peer, frame.peer, from: node) }
        guard peer.link.send(frame.bytes, count: 1, lane: .bulk, patch: FramePatch(peer: node), limit: QueueLimit.calls) == .full else {
            return
        }
        // There is no room for the data: the call fails at its caller and stops at its provider.
        if isResult {
            // Only its own call: the number may be that of a call which is somewhere else.
            if case .foreign = peer.session.tables.withLock({ $0.answer(frame.call, by: self, isLast: true) }) { return }
            peer.session.refuse(frame.call, Self.resultDoesNotFit, peer: node, on: peer.link)
            link.send(FrameWriter.frame(.cancel, peer: frame.peer, call: frame.call))
        } else {
            tables.withLock { _ = $0.close(frame.call) }
            refuse(frame.call, Self.queueIsFull, peer: frame.peer, on: link)
            peer.link.send(FrameWriter.frame(.cancel, peer: node, call: frame.call))
        }
    }

    private static let resultDoesNotFit = TelekinesisError(
        .overloaded, "the caller reads too slowly: more than \(QueueLimit.calls / 1024 / 1024) MiB wait for it", ran: .yes)

    /// Arguments of a call by name whose caller does not know the provider yet.
    private func routedData(_ frame: Frame, from node: NodeID, on link: any FrameLink) {
        enum Next { case send(Provider), kept, late, tooMuch(NameEntry) }
        let next = tables.withLock { tables -> Next in
            switch tables.open[frame.call] {
            case nil: return .late
            case .at(let provider, _, _): return .send(provider)
            case .waiting(let entry), .leaving(let entry, _, _, _):
                let fits = entry.state.withLock {
                    $0.withWaiting { $0.extend(frame.call, of: self, by: frame.bytes, limits: board.limits) }
                }
                return fits ? .kept : .tooMuch(entry)
            }
        }
        switch next {
        case .send(let provider): sendData(frame, of: frame.call, to: provider, from: node, on: link)
        case .kept: break
        case .late: noteLateFrame()
        case .tooMuch(let entry):
            stopWaiting(frame.call, at: entry)
            let error = TelekinesisError(
                .overloaded, "more than \(board.limits.waitingBytesPerName) bytes wait for this name to be served", ran: .no)
            if tables.withLock({ $0.close(frame.call) }) { refuse(frame.call, error, on: link) }
        }
    }

    /// Sends part of a routed call's arguments to its provider.
    func sendData(_ frame: Frame, of call: CallID, to provider: Provider, from node: NodeID, on link: any FrameLink) {
        guard provider.link.send(frame.bytes, count: 1, lane: .bulk, patch: FramePatch(peer: node), limit: QueueLimit.calls) == .full,
            tables.withLock({ $0.close(call) })
        else { return }
        refuse(call, Self.queueIsFull, on: link)
        provider.link.send(FrameWriter.frame(.cancel, peer: node, call: call))
    }

    /// A caller no longer wants an answer. The call stays open, and counts, until its provider has answered.
    func cancel(_ frame: Frame, from node: NodeID, on link: any FrameLink) throws(TelekinesisError) {
        let now = loop.now
        let (mayCancel, call) = tables.withLock { ($0.mayCancel(board.limits, now: now), $0.open[frame.call]) }
        guard mayCancel else {
            throw TelekinesisError(.overloaded, "more than \(Int(board.limits.cancels.perSecond)) calls cancelled a second", ran: .maybe)
        }
        if call == nil, stopWatching(frame.call) {
            refuse(frame.call, TelekinesisError(.cancelled, "cancelled before anything had changed", ran: .no), on: link)
        } else if case .waiting(let entry) = call {
            if stopWaiting(frame.call, at: entry), tables.withLock({ $0.close(frame.call) }) {
                refuse(frame.call, TelekinesisError(.cancelled, "cancelled while it waited for a provider", ran: .no), on: link)
            }
        } else {
            passOn(frame, from: node)
        }
    }

    /// A frame of a call under way: to the node it names, or to where the routed call went.
    func passOn(_ frame: Frame, from node: NodeID) {
        let target = tables.withLock { tables -> (link: any FrameLink, unannounced: SessionTables.Peer?)? in
            if frame.peer == .hub { return tables.open[frame.call]?.provider.map { ($0.link, nil) } }
            return tables.peers[frame.peer.rawValue].map { ($0.link, $0.isAnnounced ? nil : $0) }
        }
        guard let target else { return noteLateFrame() }
        if let peer = target.unannounced { announce(to: peer, frame.peer, from: node) }
        _ = target.link.send(frame.bytes, count: 1, lane: .urgent, patch: FramePatch(peer: node), limit: QueueLimit.replies)
    }

    /// More data may be sent to this node. What nobody could want is not handed on, and ends the session of the node that says it, not of the one that would hear it.
    func credit(_ frame: Frame, from node: NodeID) throws(TelekinesisError) {
        guard frame.channel != Channel.stream || frame.amount <= StreamOutflow.maximumCredit else {
            throw TelekinesisError(
                .protocolViolation,
                "a credit of \(frame.amount) bytes: a stream is granted at most \(StreamOutflow.maximumCredit) at a time", ran: .no)
        }
        passOn(frame, from: node)
    }

    // MARK: References

    /// A node hands a reference on. Its owner and the new holder become a pair, so that the owner hears of the holder's end.
    func share(_ frame: Frame, from node: NodeID, on link: any FrameLink) {
        guard let owner = try? meet(frame.peer, from: node, on: link) else { return }
        _ = owner.link.send(frame.bytes, count: 1, lane: .urgent, patch: FramePatch(peer: node), limit: QueueLimit.replies)
        do throws(Unreachable) {
            guard let holder = board.session(of: frame.holder), let holderLink = holder.tables.withLock({ $0.link }) else { throw .gone }
            try holder.introduce(to: owner.session, frame.peer, owner.link, from: frame.holder, on: holderLink)
        } catch {
            // A holder that only knows too many others is there: its references live on until the owner hears of its end in another way.
            if error == .gone { owner.link.send(FrameWriter.frame(.gone, peer: frame.holder)) }
        }
    }

    /// A node gives references back.
    func release(_ frame: Frame, from node: NodeID, on link: any FrameLink) {
        if frame.peer != .hub {
            // Handing a reference over made its owner and the node a pair; where there is none any more, the owner has gone since.
            guard tables.withLock({ $0.peers[frame.peer.rawValue] }) == nil else { return passOn(frame, from: node) }
            link.send(FrameWriter.frame(.gone, peer: frame.peer))
            return
        }
        let creation = tables.withLock { $0.created[frame.key] }
        if case .at(let provider) = creation {
            _ = provider.link.send(frame.bytes, count: 1, lane: .urgent, patch: FramePatch(peer: node), limit: QueueLimit.replies)
        }
    }

    /// The node knows by now where an object is that it created.
    func forget(_ frame: Frame) {
        guard PeerFlags(rawValue: frame.flags).contains(.forget), frame.body.count >= 16 else { return }
        let key = ActorKey(loading: frame.body, at: 0)
        tables.withLock { _ = $0.created.removeValue(forKey: key) }
    }
}
