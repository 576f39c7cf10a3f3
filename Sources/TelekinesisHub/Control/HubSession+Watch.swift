internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Watching names and nodes: a call that is answered when there is something to tell.
extension HubSession {
    /// A call of `watch` that waits.
    struct Watch {
        let scope: WatchScope
        var timer: Timer?
    }

    /// - Returns: the answer, when it can be given at once; else it comes later.
    func watch(_ request: WatchRequest, _ frame: Frame, on link: any FrameLink) throws(TelekinesisError) -> WatchAnswer? {
        let scope = try WatchScope(request)
        guard let after = request.after else { return board.served(scope, from: request.from) }
        let limit = board.limits.watchesPerSession
        try tables.withLock { (tables) throws(TelekinesisError) in
            guard !tables.hasEnded else { throw TelekinesisError(.disconnected, "the session has ended", ran: .no) }
            guard tables.watches[frame.call] == nil, tables.open[frame.call] == nil else {
                throw TelekinesisError(.protocolViolation, "call id \(frame.call) is used twice", ran: .no)
            }
            guard tables.watches.count < limit else {
                throw TelekinesisError(.overloaded, "this node watches \(limit) things already (`watchesPerSession`)", ran: .no)
            }
            tables.watches[frame.call] = Watch(scope: scope)
        }
        if let answer = board.wait(Watcher(session: self, call: frame.call, scope: scope, after: after)) {
            // Otherwise somebody else has answered.
            return endWatch(frame.call) ? answer : nil
        }
        // The session, or the hub, may have begun to end before the call was seen to wait.
        if board.isClosing.load(ordering: .relaxed), stopWatching(frame.call) { throw .hubIsClosing }
        if tables.withLock({ $0.hasEnded }) { board.stopWaiting(frame.call, of: self, scope) }
        if frame.remaining != .max { startTimer(frame.call, remaining: frame.remaining, on: link) }
        return nil
    }

    private func startTimer(_ call: CallID, remaining: UInt32, on link: any FrameLink) {
        let timer = loop.schedule(after: Int64(remaining) * 1_000_000) { [weak self] in
            guard let self, stopWatching(call) else { return }
            refuse(call, TelekinesisError(.deadlineExceeded, "nothing has changed within the deadline", ran: .yes), on: link)
        }
        let waits = tables.withLock { tables in
            tables.watches[call]?.timer = timer
            return tables.watches[call] != nil
        }
        if !waits { timer.cancel() }
    }

    /// Something that a call waits for has changed.
    fileprivate func tell(_ watcher: Watcher) {
        guard let link = tables.withLock({ $0.link }), endWatch(watcher.call) else { return }
        // Changes that are forgotten by now are an answer too.
        answer(watcher.call, board.changes(watcher.scope, after: watcher.after) ?? WatchAnswer(number: watcher.after), on: link)
    }

    /// The hub ends: what waits goes to whatever hub its caller finds next.
    fileprivate func sendAway(_ watcher: Watcher) {
        guard let link = tables.withLock({ $0.link }), endWatch(watcher.call) else { return }
        refuse(watcher.call, .hubIsClosing, on: link)
    }

    /// A call waits no longer.
    ///
    /// - Returns: `false` when it did not: it was answered.
    func stopWatching(_ call: CallID) -> Bool {
        guard let watch = tables.withLock({ $0.watches.removeValue(forKey: call) }) else { return false }
        watch.timer?.cancel()
        board.stopWaiting(call, of: self, watch.scope)
        return true
    }

    private func endWatch(_ call: CallID) -> Bool {
        guard let watch = tables.withLock({ $0.watches.removeValue(forKey: call) }) else { return false }
        watch.timer?.cancel()
        return true
    }
}

extension WatchScope {
    /// What a request is about.
    init(_ request: WatchRequest) throws(TelekinesisError) {
        switch (request.prefix, request.name, request.node) {
        case (let prefix?, nil, nil):
            guard prefix.utf8.count <= ServiceName.maximumLength else {
                throw TelekinesisError(.invalidName, "names have at most \(ServiceName.maximumLength) bytes: no prefix is longer", ran: .no)
            }
            self = .prefix(prefix)
        case (nil, let name?, nil): self = .name(try ServiceName(name).description)
        case (nil, nil, let node?): self = .node(NodeID(rawValue: node))
        default: throw TelekinesisError(.badArguments, "watch takes a prefix, a name or a node", ran: .no)
        }
    }
}

extension Switchboard {
    private static let pageSize = 500

    /// What is served now, or whether a node is there.
    func served(_ scope: WatchScope, from: String?) -> WatchAnswer {
        directory.withLock { directory in
            let number = directory.changes.latest
            switch scope {
            case .node(let node): return WatchAnswer(number: directory.sessions[node.rawValue]?.number ?? 0)
            case .name(let name): return WatchAnswer(number: number, names: directory.names[name].flatMap(\.watched).map { [$0] } ?? [])
            case .prefix(let prefix):
                let page = directory.served.page(prefix: prefix, after: from, limit: Self.pageSize)
                var answer = WatchAnswer(number: number, names: page.compactMap(\.watched), isComplete: page.count < Self.pageSize)
                // The next page begins behind the last name of this one, even if that is just leaving.
                if !answer.isComplete, let last = page.last, answer.names.last?.name != last.text {
                    answer.names.append(WatchedName(name: last.text, end: .gone))
                }
                return answer
            }
        }
    }

    /// What has changed since a number; `nil` while that is nothing.
    func changes(_ scope: WatchScope, after: UInt64) -> WatchAnswer? {
        directory.withLock { $0.answer(scope, after: after) }
    }

    /// A call waits until something has changed.
    ///
    /// - Returns: the answer, when something has.
    func wait(_ watcher: Watcher) -> WatchAnswer? {
        directory.withLock { directory in
            if let answer = directory.answer(watcher.scope, after: watcher.after) { return answer }
            directory.changes.wait(watcher)
            return nil
        }
    }

    func stopWaiting(_ call: CallID, of session: HubSession, _ scope: WatchScope) {
        directory.withLock { $0.changes.remove(call, of: session, scope) }
    }

    /// Tells those who wait for what has changed.
    func tellWatchers() {
        let watchers = directory.withLock { $0.changes.takeDue() }
        if !watchers.isEmpty { tell(watchers[...]) }
    }

    /// A thousand at a time: a name that many watch delays nobody.
    private func tell(_ watchers: ArraySlice<Watcher>) {
        for watcher in watchers.prefix(1_000) { watcher.session.tell(watcher) }
        let rest = watchers.dropFirst(1_000)
        if let next = rest.first { next.session.loop.execute { self.tell(rest) } }
    }

    /// Nobody watches here any more.
    func sendWatchersAway() {
        for watcher in directory.withLock({ $0.changes.takeAll() }) { watcher.session.sendAway(watcher) }
    }
}

extension Directory {
    fileprivate func answer(_ scope: WatchScope, after: UInt64) -> WatchAnswer? {
        if case .node(let node) = scope {
            let number = sessions[node.rawValue]?.number ?? 0
            return number == after ? nil : WatchAnswer(number: number)
        }
        guard let changes = changes.changes(after: after, in: scope), changes.count <= 500 else {
            return WatchAnswer(number: self.changes.latest, isComplete: false)
        }
        guard !changes.isEmpty else { return nil }
        let changed = changes.compactMap { change in
            change.end.map { WatchedName(name: change.name, end: $0) } ?? self.names[change.name]?.watched
        }
        return WatchAnswer(number: self.changes.latest, names: changed)
    }

    /// The providers of a name are others than before.
    ///
    /// - Parameters:
    ///   - hasBegun: whether all who serve it have just begun to.
    ///   - end: how its last provider went, if it did.
    mutating func noteChange(of entry: NameEntry, hasBegun: Bool, _ end: ServiceEnd) {
        let isServed = entry.state.withLock { !$0.providers.isEmpty }
        let service = entry.service.load(ordering: .relaxed)
        if isServed, hasBegun {
            entry.service.store(changes.note(.init(name: entry.text, end: nil)), ordering: .relaxed)
        } else if !isServed, service != 0 {
            entry.service.store(0, ordering: .relaxed)
            // The name may have got another entry since this one was of any use.
            if names[entry.text] == nil || names[entry.text] === entry { changes.note(.init(name: entry.text, end: end)) }
        }
    }
}

extension NameEntry {
    /// What watchers are told of it; `nil` while nobody serves it.
    fileprivate var watched: WatchedName? {
        let number = service.load(ordering: .relaxed)
        return state.withLock { state in
            guard number != 0, let service = state.service, !state.providers.isEmpty else { return nil }
            return WatchedName(
                name: text, service: number, kind: service.kind, sharing: service.sharing, providers: state.providers.count)
        }
    }
}
