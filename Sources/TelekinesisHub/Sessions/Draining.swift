internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension Switchboard {
    /// A session is over.
    func sessionEnded(_ session: HubSession) {
        for departure in departures.withLock({ $0 }) { departure.ended(session) }
    }

    /// Sees from now on when sessions end.
    func expectEnd(of sessions: [HubSession]) -> Departures {
        let expectation = Departures(sessions)
        departures.withLock { $0.append(expectation) }
        // Those that ended before they were expected.
        for session in sessions where session.tables.withLock({ $0.hasEnded }) { expectation.ended(session) }
        return expectation
    }

    /// Asks all nodes to finish and leave: first those that only call, then those that serve.
    ///
    /// Nodes of this process take a frame on the thread that sends it: each is asked on its session's loop, so that none can delay the end.
    func drain(grace: Duration, on loop: EventLoop) async {
        let end = loop.now + UInt64(max(0, grace.nanoseconds))
        sendWatchersAway()
        for servesNames in [false, true] {
            let sessions = sessions.filter { $0.tables.withLock { !$0.published.isEmpty == servesNames || servesNames } }
            guard !sessions.isEmpty else { continue }
            let departures = expectEnd(of: sessions)
            let now = loop.now
            await departures.wait(.nanoseconds(Int64(end > now ? end - now : 0)), on: loop) {
                for session in sessions { session.loop.execute { session.askToLeave() } }
            }
        }
    }
}

extension TelekinesisError {
    /// Whoever is told so asks the hub that he finds next.
    static let hubIsClosing = TelekinesisError(.moved, "the hub is shutting down", ran: .no)
}

extension HubSession {
    /// Asks the node to finish what is under way and leave. What waits here does not wait for that: its caller keeps it, since it has heard of the drain
    /// before, and sends it to whatever hub it finds next.
    func askToLeave() {
        let (link, waiting) = tables.withLock { ($0.link, $0.askToLeave()) }
        guard let link else { return }
        link.send(FrameWriter.frame(.drain))
        for (id, entry) in waiting where stopWaiting(id, at: entry) {
            if tables.withLock({ $0.close(id) }) { refuse(id, .hubIsClosing, on: link) }
        }
    }

    /// A call that waited is not to wait here any longer.
    func sendAway(_ call: WaitingCall, _ error: TelekinesisError) {
        call.timer?.cancel()
        let (isMine, link) = tables.withLock { tables in
            if let key = call.resultKey { tables.forgetCreation(of: key, by: call.id) }
            return (tables.close(call.id), tables.link)
        }
        guard isMine, let link else { return }
        refuse(call.id, error, on: link)
    }

    /// Ends the session and its link.
    func close(_ reason: TelekinesisError) {
        let link = tables.withLock { $0.link }
        finish(reason)
        link?.close(reason)
    }
}
