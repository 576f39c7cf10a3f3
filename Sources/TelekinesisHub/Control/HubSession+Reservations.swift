internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Places at providers that the session holds.
extension HubSession {
    /// The node wants to hold a place, or to go on holding the one that it has under a handle.
    func reserve(_ request: ReserveRequest, _ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        let name = try ServiceName(request.name)
        let lease = min(max(request.lease, 1), board.limits.longestLease)
        if let reservation = tables.withLock({ $0.reservations[request.route] }), reservation.seat.entry.name == name {
            guard !reservation.seat.isOver, let answer = reservation.answer(lease) else {
                throw reservation.seat.entry.error(.reservationEnded)
            }
            reservation.until = loop.now + UInt64(lease) * 1_000_000
            return self.answer(frame.call, answer, on: link)
        }
        // The name is there for as long as this takes; afterwards whoever waits or holds keeps it.
        let entry = board.bind(name)
        defer { board.unbind(entry) }
        if request.renews == true { throw entry.error(.reservationEnded) }
        let (seat, waits) = try tables.withLock { (tables) throws(TelekinesisError) -> (Provider?, Bool) in
            guard !tables.hasEnded else { throw TelekinesisError(.disconnected, "the session has ended", ran: .no) }
            try tables.mayReserve(request.route, board.limits)
            guard tables.open[frame.call] == nil, tables.open.count < board.limits.callsPerSession else {
                throw TelekinesisError(.overloaded, "\(board.limits.callsPerSession) calls of this node are in flight", ran: .no)
            }
            let (seat, waits) = try entry.state.withLock { (state) throws(TelekinesisError) -> (Provider?, Bool) in
                if let seat = state.reserve() { return (seat, false) }
                guard request.wait else { return (nil, false) }
                try tables.mayWait()
                let call = WaitingCall(
                    caller: self, id: frame.call, purpose: .reserve(handle: request.route, lease: lease), resultKey: nil,
                    deadline: deadline(frame.remaining), frames: [])
                try state.wait(call, limits: board.limits)
                return (nil, true)
            }
            if waits { tables.open.insert(.waiting(entry), for: frame.call) }
            return (seat, waits)
        }
        if waits { return startTimer(frame.call, at: entry, remaining: frame.remaining, on: link) }
        guard let seat else { throw entry.isServed ? entry.allBusy() : entry.absence() }
        hold(seat, under: request.route, lease: lease, for: frame.call, on: link)
    }

    /// There is a place now for a node that waited for one.
    func finishReserve(_ call: WaitingCall, _ seat: Provider?, handle: UInt32, lease: UInt32, on link: any FrameLink) {
        guard tables.withLock({ $0.close(call.id) }) else {
            if let seat { giveBack(seat) }
            return
        }
        guard let seat else { return refuse(call.id, TelekinesisError(.internalError, "a place was given that is not there"), on: link) }
        hold(seat, under: handle, lease: lease, for: call.id, on: link)
    }

    /// From now on the place is the node's.
    private func hold(_ seat: Provider, under handle: UInt32, lease: UInt32, for call: CallID, on link: any FrameLink) {
        let reservation = Reservation(seat, until: loop.now + UInt64(lease) * 1_000_000)
        do throws(TelekinesisError) {
            // Others may have been given one meanwhile.
            try tables.withLock { (tables) throws(TelekinesisError) in
                guard !tables.hasEnded else { throw TelekinesisError(.disconnected, "the session has ended", ran: .no) }
                try tables.mayReserve(handle, board.limits)
                tables.routes.insert(Route(entry: seat.entry, wish: .reserved(seat)), for: UInt64(handle))
                tables.reservations[handle] = reservation
            }
        } catch {
            giveBack(seat)
            return refuse(call, error, on: link)
        }
        watchLease(of: reservation, handle)
        guard let answer = reservation.answer(lease) else { return refuse(call, seat.entry.error(.reservationEnded), on: link) }
        board.logger.debug("reserved", ["name": seat.entry.text, "node": node.description, "provider": seat.node.description])
        self.answer(call, answer, on: link)
    }

    private func giveBack(_ seat: Provider) { board.unbind(Route(entry: seat.entry, wish: .reserved(seat))) }

    /// Takes the place away from a node that says nothing for too long. The handle stays bound, so that its calls are told.
    private func watchLease(of reservation: Reservation, _ handle: UInt32) {
        let now = loop.now
        let left = reservation.until > now ? reservation.until - now : 0
        let timer = loop.schedule(after: Int64(left)) { [weak self] in
            guard let self else { return }
            guard reservation.until <= loop.now else { return watchLease(of: reservation, handle) }
            let isHeld = tables.withLock { tables in
                guard tables.reservations[handle] === reservation else { return false }
                tables.reservations[handle] = nil
                return true
            }
            if isHeld { board.endReservation(reservation.seat) }
        }
        reservation.setTimer(timer)
    }
}

extension Reservation {
    /// What its holder is told; `nil` when there is nobody any more.
    fileprivate func answer(_ lease: UInt32) -> ReserveAnswer? {
        seat.entry.state.withLock { $0.service }.map {
            ReserveAnswer(kind: $0.kind, provider: seat.node, lease: lease, encoding: $0.encoding)
        }
    }
}

extension SessionTables {
    /// Whether a place may be held under a handle.
    fileprivate borrowing func mayReserve(_ handle: UInt32, _ limits: HubLimits) throws(TelekinesisError) {
        guard handle != 0, routes[UInt64(handle)] == nil else {
            throw TelekinesisError(.badArguments, "route \(handle) is in use: choose another handle", ran: .no)
        }
        guard routes.count < limits.routesPerSession else {
            throw TelekinesisError(.overloaded, "this node has resolved \(limits.routesPerSession) names: unbind some", ran: .no)
        }
        guard reservations.count < limits.reservationsPerSession else {
            let what = "this node has its \(limits.reservationsPerSession) reservations (`reservationsPerSession`): release some"
            throw TelekinesisError(.overloaded, what, ran: .no)
        }
    }
}
