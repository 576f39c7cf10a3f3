internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// One session's part in serving a name, or a place at one that somebody holds (see ``whole``).
final class Provider: Sendable {
    let session: HubSession
    let node: NodeID
    let link: any FrameLink
    /// The key of the object that serves: the callers by name never see it.
    let key: ActorKey
    let entry: NameEntry
    /// How many calls it takes at once; `Int.max` for any number.
    let concurrency: Int
    /// Of a reservation: the provider at which it holds a place. Its own count is that of its holder's calls.
    let whole: Provider?
    /// Calls that are at it now. With a limit, or of a reservation, it is only changed under the name's lock.
    let outstanding = Atomic<Int>(0)
    /// Places that reservations hold or use here. Changed under the name's lock only, as all that follows.
    let held = Atomic<Int>(0)
    /// Reservations under way here.
    let reservations = Atomic<Int>(0)
    /// A reservation that has ended.
    private let ended = Atomic<Bool>(false)
    /// Somebody waits for the end of the last call here.
    private let isAwaited = Atomic<Bool>(false)
    private let lastCallEnded = Mutex<(@Sendable () -> Void)?>(nil)

    init(
        session: HubSession, node: NodeID, link: any FrameLink, key: ActorKey, entry: NameEntry, concurrency: Int = .max,
        whole: Provider? = nil
    ) {
        self.session = session
        self.node = node
        self.link = link
        self.key = key
        self.entry = entry
        self.concurrency = concurrency
        self.whole = whole
    }

    /// A place at this provider, to be held by somebody.
    func makeSeat() -> Provider {
        Provider(session: session, node: node, link: link, key: key, entry: entry, concurrency: concurrency, whole: self)
    }

    /// Whether somebody may wait for the end of a call here.
    var isCounted: Bool { concurrency != .max || whole != nil }

    /// Whether the reservation has ended.
    var isOver: Bool { ended.load(ordering: .relaxed) }

    func end() { ended.store(true, ordering: .relaxed) }

    /// How much there is to do here.
    var load: Int { outstanding.load(ordering: .relaxed) + held.load(ordering: .relaxed) }

    /// Whether another call may come. A provider without a limit is one place as long as it is reserved.
    var hasRoom: Bool {
        if let whole {
            guard !isOver else { return false }
            return concurrency == .max || outstanding.load(ordering: .relaxed) == 0 || whole.load < concurrency
        }
        return concurrency == .max ? reservations.load(ordering: .relaxed) == 0 : load < concurrency
    }

    /// A call has its answer, or is given up: its place is free.
    func finished() {
        if isCounted {
            if entry.state.withLock({ $0.ended(self) }) { session.board.releaseWaitingSoon(at: entry, on: session.loop) }
            (whole ?? self).noteEnd()
        } else if outstanding.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            noteEnd()
        }
    }

    /// Does something when all calls that were placed here have ended, at the end of a turn of the session's loop.
    ///
    /// For a provider whose name is withdrawn, so that none are added. A call counts from the moment at which it is placed, before it is sent.
    func whenLeft(_ body: @escaping @Sendable () -> Void) {
        lastCallEnded.withLock { $0 = body }
        // Either this sees the end of the last call, or that sees this: they meet at the name's lock or, where calls end without it, at their number.
        entry.state.withLock { _ in isAwaited.store(true, ordering: .relaxed) }
        outstanding.add(0, ordering: .acquiringAndReleasing)
        noteEnd()
    }

    @inline(__always)
    private func noteEnd() {
        if isAwaited.load(ordering: .relaxed) { noteAwaitedEnd() }
    }

    @inline(never)
    private func noteAwaitedEnd() {
        guard load == 0, let body = lastCallEnded.withLock({ $0.take() }) else { return }
        // Whoever ends calls may hold locks.
        session.loop.execute { body() }
    }
}
