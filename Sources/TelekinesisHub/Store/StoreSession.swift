internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// One session's part of the store: what it is storing, and its work for the disk, which is done in order, one thing at a time.
final class StoreSession: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var isWorking = false
        var hasEnded = false
    }

    /// Content that is coming.
    private struct Upload: Sendable {
        let reference: StoredReference
        let file: IncomingFile
    }

    let store: ContentStore
    private let account: StoreLedger.Account
    private let state = Mutex(State())
    /// Only changed by the session's work.
    private let uploads = Mutex<[UInt64: Upload]>([:])

    init(_ store: ContentStore) {
        self.store = store
        account = store.openAccount()
    }

    // MARK: Work

    /// Queues work for the disk.
    ///
    /// - Throws: `overloaded` when too much waits.
    func submit(bytes: Int = 0, _ work: @escaping @Sendable () -> Void) throws(TelekinesisError) {
        let limit = store.limits.waitingBytes
        guard store.waitingBytes.add(bytes, ordering: .relaxed).newValue <= limit || bytes == 0 else {
            store.waitingBytes.subtract(bytes, ordering: .relaxed)
            throw TelekinesisError(.overloaded, "the hub's disk is slower than what is to be stored: try again later", ran: .no)
        }
        let hasRoom = state.withLock { state in
            guard !state.hasEnded, state.waiting.count < StoreService.maximumCalls else { return false }
            state.waiting.append { [store] in
                work()
                store.waitingBytes.subtract(bytes, ordering: .relaxed)
            }
            return true
        }
        guard hasRoom else {
            store.waitingBytes.subtract(bytes, ordering: .relaxed)
            throw TelekinesisError(
                .overloaded, "\(StoreService.maximumCalls) calls of this node wait at the hub's store: await some first", ran: .no)
        }
        proceed()
    }

    /// One piece of work at a time goes to the pool, so that sessions take turns.
    private func proceed() {
        let work = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.isWorking, !state.waiting.isEmpty else { return nil }
            state.isWorking = true
            return state.waiting.removeFirst()
        }
        guard let work else { return }
        store.pool.submit { [self] in
            work()
            state.withLock { $0.isWorking = false }
            proceed()
        }
    }

    /// The session is over: what was on its way is removed, what it held is free, once its work is done.
    func end() {
        let isFirst = state.withLock { state in
            guard !state.hasEnded else { return false }
            state.hasEnded = true
            state.waiting.append { [self] in
                for upload in uploads.withLock({ Array($0.keys) }) { abandon(upload) }
                store.ledger.withLock { $0.end(account, now: store.now) }
            }
            return true
        }
        if isFirst { proceed() }
    }

    // MARK: Methods

    /// Begins to store content; what is there already is held from now on.
    ///
    /// - Throws: `storeFull`, `tooLarge`.
    func put(_ request: StorePut) throws(TelekinesisError) -> StorePutAnswer {
        if let item = try hold(request.digest) {
            guard item.size == request.size else {
                release(request.digest)
                throw TelekinesisError(.badArguments, "the size and the digest do not belong together", ran: .no)
            }
            return StorePutAnswer(upload: nil)
        }
        try store.ledger.withLock { (ledger) throws(TelekinesisError) in try ledger.reserve(request.size, for: account) }
        do throws(TelekinesisError) {
            let file = try store.files.create()
            uploads.withLock { $0[file.number] = Upload(reference: .init(digest: request.digest, size: request.size), file: file) }
            return StorePutAnswer(upload: file.number)
        } catch {
            store.ledger.withLock { $0.abandon(request.size, for: account) }
            throw error
        }
    }

    /// Takes a piece.
    func write(_ piece: StorePiece) throws(TelekinesisError) {
        let upload = try upload(piece.upload)
        let size = upload.reference.size
        guard piece.offset >= 0, piece.offset <= size, piece.bytes.count <= size - piece.offset else {
            throw TelekinesisError(.badArguments, "a piece beyond the \(size) bytes that were announced", ran: .no)
        }
        try upload.file.write(piece.bytes, at: piece.offset)
    }

    /// Keeps content that is whole.
    ///
    /// - Throws: `badArguments` when it is not what its size and digest say; then nothing of it stays.
    func finish(_ number: UInt64) throws(TelekinesisError) {
        let upload = try upload(number)
        let reference = upload.reference
        do throws(TelekinesisError) {
            guard try StoreFiles.isWhole(upload.file.descriptor, reference.digest, size: reference.size) else {
                throw TelekinesisError(
                    .badArguments, "what came is not the content of that size and digest: it was damaged on its way, or not all has come")
            }
            try store.files.keep(upload.file, as: reference.digest)
        } catch {
            abandon(number)
            throw error
        }
        _ = uploads.withLock { $0.removeValue(forKey: number) }
        let isNeeded = store.ledger.withLock {
            $0.complete(reference.digest, size: reference.size, file: upload.file.number, for: account, now: store.now)
        }
        if !isNeeded { store.files.remove(reference.digest, upload.file.number) }
        store.scheduleSweep()
    }

    /// Content is not wanted any more.
    func abandon(_ number: UInt64) {
        guard let upload = uploads.withLock({ $0.removeValue(forKey: number) }) else { return }
        store.ledger.withLock { $0.abandon(upload.reference.size, for: account) }
    }

    /// Keeps content for this session; `nil` when it is not there.
    func hold(_ digest: ContentDigest) throws(TelekinesisError) -> StoreLedger.Item? {
        let item = try store.ledger.withLock { (ledger) throws(TelekinesisError) in
            try ledger.hold(digest, by: account, now: store.now)
        }
        guard let item else { return nil }
        // Files of an earlier hub are looked at once: the disk may have lost what was written last.
        guard !item.isVerified else { return item }
        do throws(TelekinesisError) {
            return try store.verify(digest, item) ? item : nil
        } catch {
            release(digest)
            throw error
        }
    }

    /// Part of content that this session holds.
    func read(_ request: StoreRead) throws(TelekinesisError) -> [UInt8] {
        let item = try held(request.digest)
        guard request.offset >= 0, request.offset <= item.size, (0...StoreService.maximumPiece).contains(request.count) else {
            throw TelekinesisError(
                .badArguments, "a piece has at most \(StoreService.maximumPiece) bytes, and the content \(item.size)", ran: .no)
        }
        return try store.files.read(
            request.digest, item.file, from: request.offset, count: min(request.count, item.size - request.offset))
    }

    /// Lets go of content, once. Does not touch the disk.
    func release(_ digest: ContentDigest) { store.ledger.withLock { $0.release(digest, by: account, now: store.now) } }

    /// Whether content that this session holds is what its digest says; if not, it is removed.
    func check(_ digest: ContentDigest) throws(TelekinesisError) -> Bool { try store.verify(digest, held(digest)) }

    static func missing(_ digest: ContentDigest) -> TelekinesisError {
        TelekinesisError(
            .noSuchObject, "the hub does not have the value \(digest.redacted) any more: it was not used for long, and nobody held it",
            ran: .no)
    }

    private func held(_ digest: ContentDigest) throws(TelekinesisError) -> StoreLedger.Item {
        let item = store.ledger.withLock { $0.held(digest, by: account) }
        guard let item else { throw Self.missing(digest) }
        return item
    }

    private func upload(_ number: UInt64) throws(TelekinesisError) -> Upload {
        guard let upload = uploads.withLock({ $0[number] }) else {
            throw TelekinesisError(.badArguments, "this node is not storing anything under the number \(number)", ran: .no)
        }
        return upload
    }
}
