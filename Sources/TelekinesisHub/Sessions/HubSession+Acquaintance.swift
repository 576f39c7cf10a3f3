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
}

extension HubSession {
    /// The peer of that id, after both ends have noted each other and the other end was told who this node is.
    func meet(_ node: NodeID, from me: NodeID, on link: any FrameLink) throws(Unreachable) -> SessionTables.Peer {
        if let peer = tables.withLock({ $0.peers[node.rawValue] }), peer.isAnnounced { return peer }
        guard let other = board.session(of: node), let otherLink = other.tables.withLock({ $0.link }) else { throw .gone }
        try introduce(to: other, node, otherLink, from: me, on: link)
        return SessionTables.Peer(session: other, link: otherLink, isAnnounced: true)
    }

    /// Makes this session known to another: an entry at both ends, and a word in front of the first frame.
    ///
    /// Each direction announces itself when its first frame is sent. Never two sessions' locks at once: whichever end goes in between is noticed
    /// under its own lock.
    func introduce(
        to other: HubSession, _ node: NodeID, _ otherLink: any FrameLink, from me: NodeID, on link: any FrameLink
    ) throws(Unreachable) {
        let limit = board.limits.peersPerSession
        let principal = try tables.withLock { (tables) throws(Unreachable) -> Principal in
            guard let principal = tables.principal else { throw .gone }
            if tables.peers[node.rawValue]?.session !== other {
                guard tables.peers.count < limit else { throw .tooManyPeers }
                tables.peers.insert(.init(session: other, link: otherLink), for: node.rawValue)
            }
            return principal
        }
        do throws(Unreachable) {
            try other.tables.withLock { (tables) throws(Unreachable) in
                guard !tables.hasEnded else { throw .gone }
                if tables.peers[me.rawValue]?.session !== self {
                    guard tables.peers.count < limit else { throw .tooManyPeers }
                    tables.peers.insert(.init(session: self, link: link), for: me.rawValue)
                }
            }
        } catch {
            tables.withLock { tables in
                if tables.peers[node.rawValue]?.session === other { tables.peers.remove(node.rawValue) }
            }
            throw error
        }
        let body = (try? MessagePackEncoder().encode(principal)) ?? []
        otherLink.send(FrameWriter.frame(.peer, peer: me, body: body))
        let isHere = tables.withLock { tables in
            guard !tables.hasEnded else { return false }
            _ = tables.peers.update(node.rawValue) { $0.isAnnounced = true }
            return true
        }
        if !isHere {
            // This session ended meanwhile and its farewell may have been too early to find the entry.
            sayFarewell(to: other, otherLink, node: me)
            throw .gone
        }
    }

    /// The session is over, for whatever reason; whoever says so first does the work. Afterwards nothing of it is left anywhere.
    func finish(_ reason: TelekinesisError) {
        let node = self.node
        let remains = tables.withLock { tables -> Remains? in
            guard !tables.hasEnded else { return nil }
            tables.phase = .ended
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
        setNode(.hub)
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
        guard let lost = other.tables.withLock({ $0.lose(self, node: node) }) else { return }
        let error = TelekinesisError(.disconnected, "the provider has gone while the call was under way", ran: .maybe)
        for call in lost { other.refuse(call, error, on: link) }
        link.send(FrameWriter.frame(.gone, peer: node))
    }
}
