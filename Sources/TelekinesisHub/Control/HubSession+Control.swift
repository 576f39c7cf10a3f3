internal import MessagePack
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// The hub's own methods: publish, withdraw, resolve, unbind, list, renewTicket; `HubSession+Watch` has watch, `HubSession+Reservations` reserve.
extension HubSession {
    func controlCall(_ frame: Frame, from node: NodeID, on link: any FrameLink) throws(TelekinesisError) {
        let now = loop.now
        do throws(TelekinesisError) {
            let flags = CallFlags(rawValue: frame.flags)
            let request = try ControlRequest(frame.body, flags)
            // Of the store's methods not the rate is limited, but how many are under way.
            if try storeCall(request, frame.call, on: link) { return }
            guard tables.withLock({ $0.mayCallControl(board.limits, now: now) }) else {
                let what = "more than \(Int(board.limits.controlCalls.perSecond)) calls of the hub's own methods a second"
                throw TelekinesisError(.overloaded, what, ran: .no)
            }
            switch Selector(rawValue: request.selector) {
            case HubService.publish: answer(frame.call, try publish(request.argument(), from: node, on: link), on: link)
            case HubService.withdraw: try withdraw(request.argument(), frame.call, on: link)
            case HubService.unbind: answer(frame.call, try unbind(request.argument()), on: link)
            case HubService.resolve: try resolve(request.argument(), frame, on: link)
            case HubService.reserve: try reserve(request.argument(), frame, on: link)
            case HubService.list: answer(frame.call, board.list(try request.argument()), on: link)
            case HubService.watch: if let now = try watch(request.argument(), frame, on: link) { answer(frame.call, now, on: link) }
            case HubService.renewTicket: answer(frame.call, renewTicket(of: node), on: link)
            case ObjectService.ping: answer(frame.call, Nothing(), on: link)
            default:
                throw TelekinesisError(
                    .noSuchMethod,
                    """
                    the hub has no such method: it has publish, withdraw, resolve, unbind, reserve, list, watch, renewTicket, and those of \
                    its store
                    """, ran: .no)
            }
        } catch {
            refuse(frame.call, error, on: link)
        }
    }

    func answer(_ call: CallID, _ value: some Encodable, on link: any FrameLink) {
        do throws(TelekinesisError) {
            let (reply, data) = try HubReply.value(value, call: call)
            noteReply(link.send(reply), on: link)
            for part in data { noteReply(link.send(part, lane: .bulk), on: link) }
        } catch {
            refuse(call, error, on: link)
        }
    }

    /// A ticket that is good for as long as a new one, so that the id of a node that stays for long is as safe as that of one that has just come.
    private func renewTicket(of node: NodeID) -> TicketAnswer {
        let (principal, generation) = tables.withLock { ($0.principal, $0.generation) }
        return TicketAnswer(ticket: principal.flatMap { board.tickets?.issue(node, $0, generation: generation) })
    }

    // MARK: Publishing

    private func publish(_ request: PublishRequest, from node: NodeID, on link: any FrameLink) throws(TelekinesisError) -> Nothing {
        let name = try ServiceName(request.name)
        guard request.key.count == 2 else { throw TelekinesisError(.badArguments, "a key has two halves", ran: .no) }
        let key = ActorKey(low: request.key[0], high: request.key[1])
        guard key != .control else { throw TelekinesisError(.badArguments, "the key 0 is the hub's", ran: .no) }
        guard request.concurrency ?? 1 >= 1 else {
            throw TelekinesisError(.badArguments, "a provider takes at least 1 call at once, not \(request.concurrency ?? 0)", ran: .no)
        }
        let limit = board.limits.namesPerSession
        let principal = try tables.withLock { (tables) throws(TelekinesisError) -> Principal in
            guard let principal = tables.principal else { throw TelekinesisError(.disconnected, "the session has ended", ran: .no) }
            guard tables.published.count < limit || tables.published[request.name] != nil else {
                throw TelekinesisError(.overloaded, "this node has its \(limit) names", ran: .no)
            }
            return principal
        }
        let (provider, outcome) = board.publish(name, request, by: principal, now: loop.now) { entry in
            Provider(session: self, node: node, link: link, key: key, entry: entry, concurrency: request.concurrency ?? .max)
        }
        switch outcome {
        case .refused(let error): throw error
        case .unchanged: return Nothing()
        case .added(let replaced):
            for old in replaced { old.session.lostName(name, old, isNews: old.session !== self) }
            let isHere = tables.withLock { tables in
                guard !tables.hasEnded else { return false }
                tables.published[request.name] = .init(entry: provider.entry, provider: provider)
                return true
            }
            guard isHere else {
                board.withdraw(provider)
                throw TelekinesisError(.disconnected, "the session has ended", ran: .no)
            }
            // Somebody may have replaced it before it was noted here.
            if !provider.entry.state.withLock({ $0.providers.contains { $0 === provider } }) { lostName(name, provider, isNews: true) }
            board.logger.info("published", ["name": request.name, "node": node.description, "principal": principal.name])
            board.releaseWaiting(at: provider.entry)
            return Nothing()
        }
    }

    /// Another node took a name over: this one's calls by it are no longer its own object's.
    private func lostName(_ name: ServiceName, _ provider: Provider, isNews: Bool) {
        let wasPublished = tables.withLock { tables in
            guard tables.published[name.description]?.provider === provider else { return false }
            tables.published[name.description] = nil
            return true
        }
        if wasPublished, isNews { provider.link.send(FrameWriter.replaced(name, provider.key)) }
    }

    /// Whoever waits here is told that no call will come by the name any more: one that was placed may be on its way to him on another thread.
    private func withdraw(_ request: WithdrawRequest, _ call: CallID, on link: any FrameLink) throws(TelekinesisError) {
        guard let publication = tables.withLock({ $0.published.removeValue(forKey: request.name) }) else {
            throw TelekinesisError(.noSuchName, "this node does not publish \(request.name.quoted)", ran: .no)
        }
        board.withdraw(publication.provider, .withdrawn)
        guard request.wait == true else { return answer(call, Nothing(), on: link) }
        publication.provider.whenLeft { self.answer(call, Nothing(), on: link) }
    }

    // MARK: Resolving

    /// Binds the handle in any case, so that calls that follow find the name; whether somebody serves it is for the answer, and for each call.
    private func resolve(_ request: ResolveRequest, _ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        let name = try ServiceName(request.name)
        let wish = request.sticky.map { Wish.sticky($0) } ?? .any
        let entry = board.bind(name)
        do throws(TelekinesisError) {
            let isNew = try tables.withLock { (tables) throws(TelekinesisError) -> Bool in
                guard !tables.hasEnded else { throw TelekinesisError(.disconnected, "the session has ended", ran: .no) }
                // A node may ask about a name again under the handle that it has for it.
                if let bound = tables.routes[UInt64(request.route)], bound.entry === entry, bound.wish == wish { return false }
                guard request.route != 0, tables.routes[UInt64(request.route)] == nil else {
                    throw TelekinesisError(.badArguments, "route \(request.route) is in use: choose another handle", ran: .no)
                }
                guard tables.routes.count < board.limits.routesPerSession else {
                    throw TelekinesisError(
                        .overloaded, "this node has resolved \(board.limits.routesPerSession) names: unbind some", ran: .no)
                }
                tables.routes.insert(Route(entry: entry, wish: wish), for: UInt64(request.route))
                return true
            }
            if !isNew { board.unbind(entry) }
        } catch {
            board.unbind(entry)
            throw error
        }
        if let resolved = entry.answer() { return answer(frame.call, resolved, on: link) }
        guard request.wait else { throw entry.absence() }
        let waits = try tables.withLock { (tables) throws(TelekinesisError) -> Bool in
            guard !tables.hasEnded else { throw TelekinesisError(.disconnected, "the session has ended", ran: .no) }
            guard tables.open[frame.call] == nil, tables.open.count < board.limits.callsPerSession else {
                throw TelekinesisError(.overloaded, "\(board.limits.callsPerSession) calls of this node are in flight", ran: .no)
            }
            let waits = try entry.state.withLock { (state) throws(TelekinesisError) -> Bool in
                guard state.providers.isEmpty else { return false }
                try tables.mayWait()
                let call = WaitingCall(
                    caller: self, id: frame.call, purpose: .resolve, resultKey: nil, deadline: deadline(frame.remaining), frames: [])
                try state.wait(call, limits: board.limits)
                return true
            }
            if waits { tables.open.insert(.waiting(entry), for: frame.call) }
            return waits
        }
        if waits {
            startTimer(frame.call, at: entry, remaining: frame.remaining, on: link)
        } else if let resolved = entry.answer() {
            answer(frame.call, resolved, on: link)
        } else {
            throw entry.absence()
        }
    }

    /// Somebody serves the name that a resolve waited for, or has done so for a moment.
    func finishResolve(_ call: WaitingCall, _ entry: NameEntry, on link: any FrameLink) {
        let resolved = entry.answer()
        let waitsOn =
            resolved == nil
            && tables.withLock { tables in
                guard tables.open[call.id] != nil, !tables.isAskedToLeave else { return false }
                return entry.state.withLock { $0.withWaiting { $0.putBack([]) } }
            }
        if waitsOn { return startTimer(call.id, at: entry, remaining: remaining(call), on: link) }
        skip(entry)
        let (isOpen, leaves) = tables.withLock { ($0.close(call.id), $0.isAskedToLeave) }
        guard isOpen else { return }
        if let resolved {
            answer(call.id, resolved, on: link)
        } else {
            refuse(call.id, leaves ? .hubIsClosing : Self.cancelledWhileWaiting, on: link)
        }
    }

    private func unbind(_ handle: UInt32) throws(TelekinesisError) -> Nothing {
        let (route, reservation) = tables.withLock { ($0.routes.remove(UInt64(handle)), $0.reservations.removeValue(forKey: handle)) }
        reservation?.stopTimer()
        guard let route else {
            throw TelekinesisError(.badArguments, "route \(handle) is not bound", ran: .no)
        }
        board.unbind(route)
        return Nothing()
    }
}

extension Switchboard {
    /// The names below a prefix that somebody serves, in order.
    func list(_ request: ListRequest) -> [ListedName] {
        let limit = min(max(request.limit, 1), 1_000)
        var page: [ListedName] = []
        var after = request.after
        while page.count < limit {
            let entries = directory.withLock { $0.served.page(prefix: request.prefix, after: after, limit: limit - page.count) }
            guard let last = entries.last else { break }
            after = last.text
            for entry in entries {
                // One whose last provider is just leaving is no name to list.
                let (service, count, load) = entry.state.withLock { ($0.service, $0.providers.count, $0.load) }
                guard let service, count > 0 else { continue }
                page.append(ListedName(name: entry.text, kind: service.kind, sharing: service.sharing, providers: count, load: load))
            }
        }
        return page
    }
}
