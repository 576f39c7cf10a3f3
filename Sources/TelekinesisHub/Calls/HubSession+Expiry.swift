internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Calls by name whose provider does not answer: without an end, they would use up their caller's share of the hub.
///
/// Callers end their calls by their own clocks. The hub only looks, every few seconds, through the calls of a session that has any, and ends those that
/// are long past their time; so no call needs a timer, or asks for the time.
extension HubSession {
    /// Nanoseconds between two looks.
    static let sweepInterval: UInt64 = 5_000_000_000

    /// Looks through the open calls in a while.
    func sweepLater() {
        // Not weakly, which would make every retain of the session slower (decision 007); its end cancels the timer.
        let timer = loop.schedule(after: Int64(Self.sweepInterval)) { self.sweep() }
        let isNeeded = tables.withLock { tables in
            guard !tables.hasEnded else { return false }
            tables.sweepTimer = timer
            return true
        }
        if !isNeeded { timer.cancel() }
    }

    private func sweep() {
        let now = loop.now
        // A call's time began at the last look before it at the latest, so it may be as old again as a pause.
        let (grace, isForEver) = board.limits.callGrace.addingReportingOverflow(Self.sweepInterval)
        let (expired, goesOn, link) = tables.withLock { tables in
            let (expired, goesOn) = tables.sweep(now: now, grace: isForEver ? .max : grace)
            return (expired, goesOn, tables.link)
        }
        if goesOn { sweepLater() }
        guard !expired.isEmpty, let link else { return }
        board.expiredCalls.add(UInt64(expired.count), ordering: .relaxed)
        let error = TelekinesisError(.deadlineExceeded, "the provider did not answer within the deadline", ran: .maybe)
        for (id, provider) in expired {
            // In the provider's name: what the call handed over is there.
            noteReply(link.send(HubReply.error(error, call: id, peer: provider.node, isRouted: true)), on: link)
            provider.link.send(FrameWriter.frame(.cancel, peer: node, call: id))
        }
    }
}
