internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// The values that the hub keeps for nodes: what there is in a `StoreLedger`, the bytes in `StoreFiles`, removed when nobody needs them any longer.
final class ContentStore: Sendable {
    let limits: StoreLimits
    let ledger: Mutex<StoreLedger>
    let files = StoreFiles()
    /// Threads of its own: a slow disk must not keep names from being looked up.
    let pool = BlockingPool(threads: 4)
    /// Bytes of pieces that wait for the disk.
    let waitingBytes = Atomic<Int>(0)
    private let loop: EventLoop
    private let logger: LogHandler
    private let nextAccount = Atomic<UInt64>(1)
    private let sweeping = Mutex(Sweeping())

    private struct Sweeping {
        var timer: Timer?
        var hasEnded = false
    }

    /// A store.
    ///
    /// - Parameter directory: where it keeps its files; `nil`: in a temporary directory, which is made when it is needed, and removed at the end.
    /// - Throws: `invalidUse` that says what is wrong with the directory.
    init(limits: StoreLimits, directory: String?, loop: EventLoop, logger: LogHandler) async throws {
        self.limits = limits
        self.loop = loop
        self.logger = logger
        ledger = Mutex(StoreLedger(limits: limits))
        guard let directory else { return }
        let now = loop.now
        try await pool.run { [self] () throws(TelekinesisError) in
            for found in try files.open(directory) {
                let isNew = ledger.withLock { $0.found(found.digest, size: found.size, file: found.file, now: now) }
                if !isNew { files.remove(found.digest, found.file) }
            }
        }
        if ledger.withLock({ $0.count > 0 }) { scheduleSweep() }
    }

    var now: UInt64 { loop.now }

    /// The account of one more session.
    func openAccount() -> StoreLedger.Account { nextAccount.add(1, ordering: .relaxed).oldValue }

    /// What the file of some content has become: found damaged or gone, it is forgotten, so that the content can be stored anew.
    ///
    /// - Returns: whether it is whole.
    /// - Throws: when the file cannot be read just now; then it stays.
    func verify(_ digest: ContentDigest, _ item: StoreLedger.Item) throws(TelekinesisError) -> Bool {
        if try files.isWhole(digest, item.file, size: item.size) {
            ledger.withLock { $0.verified(digest) }
            return true
        }
        logger.error("a stored value was damaged, and is removed", ["digest": digest.redacted, "bytes": "\(item.size)"])
        ledger.withLock { $0.lose(digest, file: item.file) }
        files.remove(digest, item.file)
        return false
    }

    // MARK: Removing

    /// There is something that will have to be removed one day.
    func scheduleSweep() {
        let delay = max(1_000_000, min(limits.linger.nanoseconds / 8, 60_000_000_000))
        sweeping.withLock { state in
            guard state.timer == nil, !state.hasEnded else { return }
            state.timer = loop.schedule(after: delay) { [weak self] in self?.sweepIsDue() }
        }
    }

    private func sweepIsDue() {
        sweeping.withLock { $0.timer = nil }
        let now = loop.now
        let (expired, isEmpty) = ledger.withLock { ($0.sweep(now: now), $0.count == 0) }
        if !isEmpty { scheduleSweep() }
        guard !expired.isEmpty else { return }
        pool.submit { [files] in
            for (digest, file) in expired { files.remove(digest, file) }
        }
    }

    /// The hub ends: what is in a temporary directory goes, all else stays for the next hub.
    func close() async {
        let timer = sweeping.withLock { state in
            state.hasEnded = true
            return state.timer.take()
        }
        timer?.cancel()
        await pool.run { [files] in files.close() }
    }
}
