internal import MessagePack
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Why a frame could not be handed on.
enum Unreachable: Error {
    /// The other session has ended, or was never there.
    case gone
    /// One of the two knows too many nodes.
    case tooManyPeers
    /// Too much waits for the other node already: it cannot even be told who speaks.
    case busy
}

extension HubSession {
    /// The peer of that id, after both ends have noted each other and the other end was told who this node is.
    func meet(_ node: NodeID, from me: NodeID, on link: any FrameLink) throws(Unreachable) -> SessionTables.Peer {
        if let peer = tables.withLock({ $0.peers[node.rawValue] }), peer.isAnnounced { return peer }
        guard let other = board.session(of: node), let otherLink = other.tables.withLock({ $0.link }) else { throw .gone }
        try introduce(to: other, node, otherLink, from: me, on: link)
        guard let peer = tables.withLock({ $0.peers[node.rawValue] }) else { throw .gone }
        return peer
    }

    /// Makes this session known to another: an entry at both ends, and a word in front of the first frame.
    ///
    /// Each direction announces itself when its first frame is sent. Never two sessions' locks at once: whichever end goes in between is noticed
    /// under its own lock.
    ///
    /// - Parameter limit: how much may wait for the other end. Whoever makes acquaintances has no more than calls have, lest strangers fill what is
    ///   kept for answers.
    /// - Returns: which acquaintance of the other session this one is.
    @discardableResult
    func introduce(
        to other: HubSession, _ node: NodeID, _ otherLink: any FrameLink, from me: NodeID, on link: any FrameLink,
        limit: Int = QueueLimit.calls
    ) throws(Unreachable) -> UInt64 {
        guard let principal = tables.withLock({ $0.principal }) else { throw .gone }
        let here = try note(other, node, otherLink, me, link)
        let there: (number: UInt64, isNew: Bool)
        do throws(Unreachable) {
            there = try other.note(self, me, link, node, otherLink)
        } catch {
            if here.isNew { tables.withLock { _ = $0.forget(node, number: here.number) } }
            throw error
        }
        let body = (try? MessagePackEncoder().encode(principal)) ?? []
        guard otherLink.send(FrameWriter.frame(.peer, peer: me, call: there.number, body: body), limit: limit) != .full else {
            // Unless the other end has begun to speak meanwhile.
            let isForgotten = there.isNew && other.tables.withLock { $0.forget(me, number: there.number) }
            if isForgotten, here.isNew { tables.withLock { _ = $0.forget(node, number: here.number) } }
            throw .busy
        }
        let (hasEnded, isNoted) = tables.withLock { tables in
            let isNoted = tables.peers.update(node.rawValue) { peer in
                guard peer.number == here.number else { return false }
                peer.announced = there.number
                return true
            }
            return (tables.hasEnded, isNoted ?? false)
        }
        if hasEnded {
            // This session ended meanwhile and its farewell may have been too early to find the entry.
            sayFarewell(to: other, otherLink, node: me)
            throw .gone
        }
        // The other one has ended meanwhile, or the two were parted: what was to be sent would have no answer.
        guard isNoted else { throw other.tables.withLock { $0.hasEnded } ? .gone : .busy }
        return there.number
    }

    /// Notes another session as an acquaintance of this one.
    ///
    /// A node that has come back is another acquaintance. What it was before has ended, though that may not have been said here yet: then it is said
    /// now, so that the answers and the word of it come before anything that the node says from now on.
    private func note(
        _ other: HubSession, _ node: NodeID, _ otherLink: any FrameLink, _ me: NodeID, _ link: any FrameLink
    ) throws(Unreachable) -> (number: UInt64, isNew: Bool) {
        let limit = board.limits.peersPerSession
        while true {
            switch try tables.withLock({ (tables) throws(Unreachable) in try tables.meet(other, node, otherLink, limit: limit) }) {
            case .met(let number, let isNew): return (number, isNew)
            case .earlier(let earlier):
                // The later one may be the other: what comes of one that has ended itself ends nothing.
                guard !other.tables.withLock({ $0.hasEnded }) else { throw .gone }
                part(from: earlier, node, me: me, on: link)
            }
        }
    }

    /// Two that had met are strangers again: for each of them the other has gone.
    func part(from peer: SessionTables.Peer, _ node: NodeID, me: NodeID, on link: any FrameLink) {
        sayFarewell(to: peer.session, peer.link, node: me)
        peer.session.sayFarewell(to: self, link, node: node)
    }

    /// The session is over, for whatever reason; whoever says so first does the work. Afterwards nothing of it is left anywhere.
    func finish(_ reason: TelekinesisError) {
        let node = self.node
        let remains = tables.withLock { tables -> Remains? in
            guard !tables.hasEnded else { return nil }
            tables.phase = .ended
            // From now on, whoever still hands on a frame of the node sees that it has ended.
            setNode(.hub)
            defer {
                tables.created = [:]
                tables.published = [:]
                tables.watches = [:]
                tables.reservations = [:]
            }
            return Remains(
                peers: tables.peers.removeAll().map(\.value), calls: tables.open.removeAll().map { ($0.key, $0.value) },
                routes: tables.routes.removeAll().map(\.value), reservations: Array(tables.reservations.values),
                providers: tables.published.values.map(\.provider), watches: tables.watches, sweepTimer: tables.sweepTimer.take())
        }
        guard let remains else { return }
        remains.sweepTimer?.cancel()
        authentication.withLock { $0.take() }?.cancel()
        storing.withLock { $0.take() }?.end()
        board.leave(self, node: node)
        for (call, watch) in remains.watches {
            watch.timer?.cancel()
            board.stopWaiting(call, of: self, watch.scope)
        }
        // Names first, so that from now on calls go elsewhere.
        for provider in remains.providers { board.withdraw(provider) }
        for (id, call) in remains.calls {
            switch call {
            case .waiting(let entry): stopWaiting(id, at: entry)
            case .at(let provider, _, _), .leaving(_, let provider, _, _):
                call.finished()
                provider.link.send(FrameWriter.frame(.cancel, peer: node, call: id))
            }
        }
        for reservation in remains.reservations { reservation.stopTimer() }
        for route in remains.routes { board.unbind(route) }
        sayFarewell(to: remains.peers[...], node: node)
        board.sessionEnded(self)
    }

    private struct Remains {
        let peers: [SessionTables.Peer]
        let calls: [(CallID, SessionTables.OpenCall)]
        let routes: [Route]
        let reservations: [Reservation]
        let providers: [Provider]
        let watches: [CallID: Watch]
        let sweepTimer: Timer?
    }

    /// Tells those that knew this node, a thousand at a time: a popular node's end delays nobody.
    private func sayFarewell(to peers: ArraySlice<SessionTables.Peer>, node: NodeID) {
        for peer in peers.prefix(1_000) { sayFarewell(to: peer.session, peer.link, node: node) }
        let rest = peers.dropFirst(1_000)
        if !rest.isEmpty { loop.execute { self.sayFarewell(to: rest, node: node) } }
    }

    private func sayFarewell(to other: HubSession, _ link: any FrameLink, node: NodeID) {
        guard let (calls, number) = other.tables.withLock({ $0.lose(self, node: node) }) else { return }
        let error = TelekinesisError(.disconnected, "the provider has gone while the call was under way", ran: .maybe)
        for call in calls { other.refuse(call, error, on: link) }
        other.noteReply(link.send(FrameWriter.frame(.gone, peer: node, call: number)), on: link)
    }

    /// A call was sent. If the session has ended meanwhile, the call may have come behind the farewell: that is said again, or it would run for nobody.
    @inline(__always)
    func callHasLeft(for link: any FrameLink, _ announced: UInt64, from node: NodeID) {
        if self.node != node { repeatFarewell(to: link, announced, node: node) }
    }

    @inline(never)
    private func repeatFarewell(to link: any FrameLink, _ announced: UInt64, node: NodeID) {
        link.send(FrameWriter.frame(.gone, peer: node, call: announced))
    }
}
