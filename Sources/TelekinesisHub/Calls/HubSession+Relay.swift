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
            switch error {
            case .gone:
                try refuseGuess(frame.call, Self.nodeIsGone, peer: frame.peer, on: link)
                // What the call hands over was given to a node of whose end its giver may never hear otherwise.
                if CallFlags(rawValue: frame.flags).contains(.references) { link.send(FrameWriter.frame(.gone, peer: frame.peer)) }
                return
            case .tooManyPeers: return refuse(frame.call, Self.tooManyPeers(board.limits), peer: frame.peer, on: link)
            case .busy: return refuse(frame.call, Self.queueIsFull, peer: frame.peer, on: link)
            }
        }
        switch peer.link.send(frame.bytes, count: 1, lane: .urgent, patch: FramePatch(peer: node), limit: QueueLimit.calls) {
        case .queued: callHasLeft(for: peer.link, peer.announced, from: node)
        case .full: refuse(frame.call, Self.queueIsFull, peer: frame.peer, on: link)
        case .closed: refuse(frame.call, Self.nodeIsGone, peer: frame.peer, on: link)
        }
    }

    static let nodeIsGone = TelekinesisError(
        .disconnected, "the node of this object has gone, or has lost its connection to the hub", ran: .no)

    /// A reply, to a call by name or on a reference.
    func reply(_ frame: Frame, from node: NodeID, on link: any FrameLink) {
        let isLast = !ReplyFlags(rawValue: frame.flags).contains(.more)
        guard let caller = tables.withLock({ $0.peers[frame.peer.rawValue] }) else { return noteLateFrame() }
        switch caller.session.tables.withLock({ $0.answer(frame.call, by: self, isLast: isLast) }) {
        case .foreign: noteLateFrame()
        case .other: relay(frame, to: caller, frame.peer, from: node, isRouted: false)
        case .routed:
            do throws(Unreachable) {
                if !caller.isAnnounced { try announce(to: caller, frame.peer, from: node) }
                let patch = FramePatch(peer: node, isRouted: true)
                let outcome = caller.link.send(frame.bytes, count: 1, lane: .urgent, patch: patch, limit: QueueLimit.relayed)
                guard outcome == .full else { return }
            } catch {
                // This session has just ended: the call, which is not open any more, does not end with it.
                if error == .gone, isLast { refuseResult(of: frame, to: caller, from: node, isRouted: true, Self.answerIsLost) }
                guard error == .busy else { return }
            }
            // The call was the caller's own: it has its answer, a short one.
            if !isLast { _ = caller.session.tables.withLock { $0.close(frame.call) } }
            refuseResult(of: frame, to: caller, from: node, isRouted: true)
            if !isLast { link.send(FrameWriter.frame(.cancel, peer: frame.peer, call: frame.call)) }
        }
    }

    /// A call whose result does not fit is answered with that.
    private func refuseResult(
        of frame: Frame, to caller: SessionTables.Peer, from node: NodeID, isRouted: Bool, _ error: TelekinesisError = resultDoesNotFit
    ) {
        let answer = HubReply.error(error, call: frame.call, peer: node, isRouted: isRouted)
        if isRouted {
            caller.session.noteReply(caller.link.send(answer), on: caller.link)
        } else {
            // Whether there is such a call only the caller knows.
            _ = answer.withUnsafeBytes { relay($0, lane: .urgent, patch: .none, to: caller, frame.peer, from: node) }
        }
    }

    private static let answerIsLost = TelekinesisError(.disconnected, "the provider's connection ended as its answer came", ran: .maybe)

    private static let resultDoesNotFit = TelekinesisError(
        .overloaded, "the caller reads too slowly: there is no room for the result behind all that waits for it", ran: .yes)

    /// Late replies and data are normal: cancellation and farewells cross them.
    private func noteLateFrame() { board.lateFrames.add(1, ordering: .relaxed) }

    /// The first frame in this direction: the other end is told who this node is.
    private func announce(to peer: SessionTables.Peer, _ other: NodeID, from node: NodeID) throws(Unreachable) {
        // The own link is only needed where the entry at the other end is missing.
        guard let link = tables.withLock({ $0.link }) else { throw .gone }
        try introduce(to: peer.session, other, peer.link, from: node, on: link, limit: QueueLimit.relayed)
    }

    /// Hands on what the node says to another that it knows.
    @discardableResult
    private func relay(
        _ frame: Frame, to peer: SessionTables.Peer, _ other: NodeID, from node: NodeID, isRouted: Bool? = nil
    ) -> Bool {
        relay(
            frame.bytes, lane: .urgent, patch: FramePatch(peer: node, isRouted: isRouted), to: peer, other, from: node)
    }

    /// Hands a frame on to another node.
    ///
    /// The hub does not know whether that has asked for it. Where there is no room, what the two have to do with each other ends, and both hear of it:
    /// so nothing is lost without a word, and no node can end what another has to do with the rest.
    ///
    /// - Returns: whether the other will get it.
    private func relay(
        _ bytes: UnsafeRawBufferPointer, lane: Lane, patch: FramePatch, to peer: SessionTables.Peer, _ other: NodeID, from node: NodeID
    ) -> Bool {
        do throws(Unreachable) {
            if !peer.isAnnounced { try announce(to: peer, other, from: node) }
        } catch {
            if error == .busy { part(from: peer, other, from: node) }
            return false
        }
        switch peer.link.send(bytes, count: 1, lane: lane, patch: patch, limit: QueueLimit.calls) {
        case .closed: return false
        case .queued:
            if peer.excess > 0 { tables.withLock { _ = $0.peers.update(other.rawValue) { $0.excess = 0 } } }
            return true
        case .full:
            let isWithinShare = tables.withLock { tables in
                tables.peers.update(other.rawValue) { peer in
                    peer.excess += bytes.count
                    return peer.excess <= QueueLimit.share
                }
            }
            if isWithinShare == true {
                let outcome = peer.link.send(bytes, count: 1, lane: lane, patch: patch, limit: QueueLimit.relayed)
                guard outcome == .full else { return outcome == .queued }
            }
            part(from: peer, other, from: node)
            return false
        }
    }

    private func part(from peer: SessionTables.Peer, _ other: NodeID, from node: NodeID) {
        guard let link = tables.withLock({ $0.link }) else { return }
        board.logger.info(
            "two nodes were parted: too much that one said to the other was not read", ["from": node.description, "to": other.description])
        part(from: peer, other, me: node, on: link)
    }

    /// Part of a large value: arguments towards a provider, which may not be known to the caller yet, or a result towards a caller.
    func data(_ frame: Frame, from node: NodeID, on link: any FrameLink) {
        let flags = ChannelFlags(rawValue: frame.flags)
        if frame.peer == .hub { return routedData(frame, from: node, on: link) }
        guard let peer = tables.withLock({ $0.peers[frame.peer.rawValue] }) else { return noteLateFrame() }
        let isResult = flags.contains(.towardsCaller)
        var answer: SessionTables.Answer?
        if isResult, flags.contains(.last), frame.channel == 0 {
            answer = peer.session.tables.withLock { $0.answer(frame.call, by: self, isLast: true) }
        }
        do throws(Unreachable) {
            if !peer.isAnnounced { try announce(to: peer, frame.peer, from: node) }
            let patch = FramePatch(peer: node)
            guard peer.link.send(frame.bytes, count: 1, lane: .bulk, patch: patch, limit: QueueLimit.calls) == .full else { return }
        } catch {
            if error == .gone, case .routed = answer { refuseResult(of: frame, to: peer, from: node, isRouted: true, Self.answerIsLost) }
            guard error == .busy else { return }
        }
        // There is no room for the data: the call fails at its caller and stops at its provider.
        if isResult {
            // Only its own call: the number may be that of a call which is somewhere else.
            switch answer ?? peer.session.tables.withLock({ $0.answer(frame.call, by: self, isLast: true) }) {
            case .foreign: return
            case .routed: refuseResult(of: frame, to: peer, from: node, isRouted: true)
            case .other: refuseResult(of: frame, to: peer, from: node, isRouted: false)
            }
            link.send(FrameWriter.frame(.cancel, peer: frame.peer, call: frame.call))
        } else {
            tables.withLock { _ = $0.close(frame.call) }
            refuse(frame.call, Self.queueIsFull, peer: frame.peer, on: link)
            let cancel = FrameWriter.frame(.cancel, peer: node, call: frame.call)
            _ = cancel.withUnsafeBytes { relay($0, lane: .urgent, patch: .none, to: peer, frame.peer, from: node) }
        }
    }

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
                .overloaded,
                "too much waits: at most \(board.limits.waitingBytesPerName) bytes for one name, of one node no more than is still free",
                ran: .no)
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
        enum Next {
            case tooMany
            /// It is no call by name.
            case unknown
            case passOn
            /// It waited, and does so no longer.
            case answer(NameState.Stopped, NameEntry)
            /// Somebody answers it, or sends it on its way and the cancellation behind it.
            case nothing
        }
        let now = loop.now
        let next = tables.withLock { tables -> Next in
            guard tables.mayCancel(board.limits, now: now) else { return .tooMany }
            switch tables.open[frame.call] {
            case nil: return .unknown
            case .at: return .passOn
            case .waiting(let entry), .leaving(let entry, _, _, _):
                guard let stopped = entry.state.withLock({ $0.cancel(frame.call, of: self, by: frame.bytes) }) else { return .nothing }
                tables.close(frame.call)
                return .answer(stopped, entry)
            }
        }
        switch next {
        case .tooMany:
            throw TelekinesisError(.overloaded, "more than \(Int(board.limits.cancels.perSecond)) calls cancelled a second", ran: .maybe)
        case .unknown:
            guard stopWatching(frame.call) else { return passOn(frame, from: node) }
            refuse(frame.call, TelekinesisError(.cancelled, "cancelled before anything had changed", ran: .no), on: link)
        case .passOn: passOn(frame, from: node)
        case .answer(let stopped, let entry):
            hasStopped(stopped, at: entry)
            refuse(frame.call, Self.cancelledWhileWaiting, on: link)
        case .nothing: break
        }
    }

    static let cancelledWhileWaiting = TelekinesisError(.cancelled, "cancelled while it waited for a provider", ran: .no)

    /// A frame of a call under way: to the node it names, or to where the routed call went.
    func passOn(_ frame: Frame, from node: NodeID) {
        let target = tables.withLock { tables -> (NodeID, SessionTables.Peer)? in
            guard frame.peer == .hub else { return tables.peers[frame.peer.rawValue].map { (frame.peer, $0) } }
            guard let provider = tables.open[frame.call]?.provider else { return nil }
            return tables.peer(for: provider).map { (provider.node, $0) }
        }
        guard let (other, peer) = target else { return noteLateFrame() }
        relay(frame, to: peer, other, from: node)
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
    func share(_ frame: Frame, from node: NodeID, on link: any FrameLink) throws(TelekinesisError) {
        guard frame.holder != .hub else {
            throw TelekinesisError(.protocolViolation, "a reference cannot be handed on to the hub", ran: .no)
        }
        guard let owner = try? meet(frame.peer, from: node, on: link), relay(frame, to: owner, frame.peer, from: node) else { return }
        do throws(Unreachable) {
            guard let holder = board.session(of: frame.holder), let holderLink = holder.tables.withLock({ $0.link }) else { throw .gone }
            try holder.introduce(to: owner.session, frame.peer, owner.link, from: frame.holder, on: holderLink)
        } catch {
            // A holder that only knows too many others is there: its references live on until the owner hears of its end in another way.
            guard error == .gone else { return }
            let word = FrameWriter.frame(.gone, peer: frame.holder)
            _ = word.withUnsafeBytes { relay($0, lane: .urgent, patch: .none, to: owner, frame.peer, from: node) }
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
        let target = tables.withLock { tables -> (NodeID, SessionTables.Peer)? in
            guard case .at(let provider) = tables.created[frame.key] else { return nil }
            return tables.peer(for: provider).map { (provider.node, $0) }
        }
        if let (other, peer) = target { relay(frame, to: peer, other, from: node) }
    }

    /// The node knows by now where an object is that it created.
    func forget(_ frame: Frame) {
        guard PeerFlags(rawValue: frame.flags).contains(.forget), frame.body.count >= 16 else { return }
        let key = ActorKey(loading: frame.body, at: 0)
        tables.withLock { _ = $0.created.removeValue(forKey: key) }
    }
}
