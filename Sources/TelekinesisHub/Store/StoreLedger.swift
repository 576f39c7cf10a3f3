internal import Reactor
internal import TelekinesisProtocol

/// What the store has, who holds it and whom it is charged to. Pure: methods are events; the store takes the lock, asks, leaves the lock, acts on its files.
///
/// Content has a file of its own each time it is stored, so that a file that is being removed is never mistaken for one that has just come.
struct StoreLedger {
    /// A session.
    typealias Account = UInt64
    /// The number of a file.
    typealias FileNumber = UInt64

    /// Content that is there.
    struct Item {
        let size: Int
        let file: FileNumber
        /// Whether this process has seen that the file is what its name says.
        var isVerified: Bool
        /// Holds of all sessions.
        var holds = 0
        /// On the clock of the hub's loops.
        var lastUse: UInt64
        /// Who stored it, as long as that session lasts.
        var account: Account?
    }

    private struct Holder {
        var charged = 0
        var uploads = 0
        var holds: [ContentDigest: Int] = [:]
        /// Content that is charged to it.
        var stored: Set<ContentDigest> = []
    }

    private let limits: StoreLimits
    private let linger: UInt64
    private var items: [ContentDigest: Item] = [:]
    private var holders: [Account: Holder] = [:]
    /// Bytes of all content, and of what is on its way.
    private(set) var bytes = 0

    init(limits: StoreLimits) {
        self.limits = limits
        linger = UInt64(max(0, limits.linger.nanoseconds))
    }

    /// How much content there is.
    var count: Int { items.count }

    /// Whether nothing is there, on its way, or held.
    var isEmpty: Bool { items.isEmpty && holders.isEmpty && bytes == 0 }

    /// What is known of some content.
    subscript(digest: ContentDigest) -> Item? { items[digest] }

    // MARK: Storing

    /// Content was found on the disk.
    ///
    /// - Returns: `false` when it is there in another file already.
    mutating func found(_ digest: ContentDigest, size: Int, file: FileNumber, now: UInt64) -> Bool {
        guard items[digest] == nil else { return false }
        items[digest] = Item(size: size, file: file, isVerified: false, lastUse: now)
        bytes += size
        return true
    }

    /// A session wants to store content that is not there: room for it is set aside.
    ///
    /// - Throws: `tooLarge`, or `storeFull` that says which limit it is.
    mutating func reserve(_ size: Int, for account: Account) throws(TelekinesisError) {
        guard size >= 0, size <= limits.valueBytes else {
            throw TelekinesisError(
                .tooLarge, "a value of \(size) bytes: this hub stores at most \(limits.valueBytes) (`limits.store.valueBytes`)")
        }
        let holder = holders[account] ?? Holder()
        guard holder.uploads < limits.uploadsPerSession else {
            throw TelekinesisError(.overloaded, "this node is storing \(limits.uploadsPerSession) values at once: await some first")
        }
        guard holder.holds.count + holder.uploads < limits.heldPerSession else { throw holdsTooMuch }
        guard holder.stored.count + holder.uploads < limits.heldPerSession, holder.charged + size <= limits.sessionBytes else {
            throw TelekinesisError(
                .storeFull,
                "this node has stored \(holder.charged) bytes in \(holder.stored.count) values, and may store \(limits.sessionBytes) "
                    + "(`limits.store.sessionBytes`) in \(limits.heldPerSession) (`heldPerSession`): let go of those that are not needed; each is "
                    + "gone \(limits.linger) after its last use")
        }
        guard bytes + size <= limits.totalBytes, items.count < limits.values else {
            throw TelekinesisError(
                .storeFull,
                "the hub's store has \(bytes) bytes in \(items.count) values, and takes \(limits.totalBytes) in \(limits.values) "
                    + "(`limits.store`, `tk hub --store-limit`): try again when others have gone, or give it more room")
        }
        bytes += size
        holders[account, default: Holder()].charged += size
        holders[account, default: Holder()].uploads += 1
    }

    /// Content for which room was set aside is in a file; its session has not ended.
    ///
    /// - Returns: `false` when somebody else has stored the same meanwhile; the session holds that, and the new file is not needed.
    mutating func complete(
        _ digest: ContentDigest, size: Int, file: FileNumber, for account: Account, now: UInt64
    ) -> Bool {
        let isNew = items[digest] == nil
        if isNew {
            holders[account]?.uploads -= 1
            holders[account]?.stored.insert(digest)
            items[digest] = Item(size: size, file: file, isVerified: true, lastUse: now, account: account)
        } else {
            abandon(size, for: account)
        }
        note(hold: digest, by: account, now: now)
        return isNew
    }

    /// Content for which room was set aside does not come.
    mutating func abandon(_ size: Int, for account: Account) {
        bytes -= size
        guard holders[account] != nil else { return }
        holders[account]?.charged -= size
        holders[account]?.uploads -= 1
        tidy(account)
    }

    /// The file of some content is what its name says.
    mutating func verified(_ digest: ContentDigest) { items[digest]?.isVerified = true }

    /// The file of some content is damaged, or gone.
    mutating func lose(_ digest: ContentDigest, file: FileNumber) {
        guard items[digest]?.file == file else { return }
        remove(digest)
        for account in Array(holders.keys) where holders[account]?.holds.removeValue(forKey: digest) != nil { tidy(account) }
    }

    // MARK: Holding

    /// A session wants to keep content.
    ///
    /// - Returns: what it is; `nil` when it is not there.
    /// - Throws: `overloaded` when the session holds too much.
    mutating func hold(_ digest: ContentDigest, by account: Account, now: UInt64) throws(TelekinesisError) -> Item? {
        guard items[digest] != nil else { return nil }
        let holder = holders[account] ?? Holder()
        guard holder.holds[digest] != nil || holder.holds.count + holder.uploads < limits.heldPerSession else { throw holdsTooMuch }
        note(hold: digest, by: account, now: now)
        return items[digest]
    }

    private var holdsTooMuch: TelekinesisError {
        TelekinesisError(
            .overloaded, "this node holds \(limits.heldPerSession) values of the store (`limits.store.heldPerSession`): let go of some")
    }

    private mutating func note(hold digest: ContentDigest, by account: Account, now: UInt64) {
        holders[account, default: Holder()].holds[digest, default: 0] += 1
        items[digest]?.holds += 1
        items[digest]?.lastUse = now
    }

    /// What a session reads; `nil` when it does not hold that, or it is not there any more.
    func held(_ digest: ContentDigest, by account: Account) -> Item? { holders[account]?.holds[digest] == nil ? nil : items[digest] }

    /// A session lets go of content, once.
    mutating func release(_ digest: ContentDigest, by account: Account, now: UInt64) {
        guard let count = holders[account]?.holds[digest] else { return }
        holders[account]?.holds[digest] = count == 1 ? nil : count - 1
        drop(1, of: digest, now: now)
        tidy(account)
    }

    /// A session is over. What it was storing is abandoned one by one.
    mutating func end(_ account: Account, now: UInt64) {
        guard let holder = holders.removeValue(forKey: account) else { return }
        for (digest, count) in holder.holds { drop(count, of: digest, now: now) }
        for digest in holder.stored { items[digest]?.account = nil }
    }

    private mutating func drop(_ count: Int, of digest: ContentDigest, now: UInt64) {
        items[digest]?.holds -= count
        items[digest]?.lastUse = now
    }

    private mutating func tidy(_ account: Account) {
        guard let holder = holders[account], holder.holds.isEmpty, holder.uploads == 0, holder.charged == 0 else { return }
        holders[account] = nil
    }

    // MARK: Removing

    /// Takes out what nobody holds and nobody has used for long.
    ///
    /// - Returns: the files that are to be removed.
    mutating func sweep(now: UInt64) -> [(digest: ContentDigest, file: FileNumber)] {
        let expired = items.filter { $0.value.holds == 0 && now >= $0.value.lastUse && now - $0.value.lastUse >= linger }
        for digest in expired.keys { remove(digest) }
        return expired.map { ($0.key, $0.value.file) }
    }

    private mutating func remove(_ digest: ContentDigest) {
        guard let item = items.removeValue(forKey: digest) else { return }
        bytes -= item.size
        guard let account = item.account else { return }
        holders[account]?.charged -= item.size
        holders[account]?.stored.remove(digest)
        tidy(account)
    }
}
