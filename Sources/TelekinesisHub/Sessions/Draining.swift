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

    private static let isDraining = TelekinesisError(.moved, "the hub is shutting down", ran: .no)

    /// Asks all nodes to finish and leave: first those that only call, then those that serve.
    ///
    /// Nodes of this process take a frame on the thread that sends it: each is asked on its session's loop, so that none can delay the end.
    func drain(grace: Duration, on loop: EventLoop) async {
        let end = loop.now + UInt64(max(0, grace.nanoseconds))
        sendWatchersAway()
        // What waits here is sent again by its caller, to whatever hub it finds next.
        for entry in directory.withLock({ $0.names }).values {
            for call in entry.state.withLock({ $0.withWaiting { $0.removeAll() } }) {
                call.caller.loop.execute { call.caller.sendAway(call, Self.isDraining) }
            }
            sweep(entry)
        }
        for servesNames in [false, true] {
            let sessions = sessions.filter { $0.tables.withLock { !$0.published.isEmpty == servesNames || servesNames } }
            guard !sessions.isEmpty else { continue }
            let departures = expectEnd(of: sessions)
            let now = loop.now
            await departures.wait(.nanoseconds(Int64(end > now ? end - now : 0)), on: loop) {
                for session in sessions {
                    session.loop.execute { session.tables.withLock { $0.link }?.send(FrameWriter.frame(.drain)) }
                }
            }
        }
    }
}

extension HubSession {
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
