internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// The hub's methods that keep values. What touches the disk is done elsewhere, and answered from there.
extension HubSession {
    /// Handles a call if it is one of the store's methods.
    ///
    /// - Returns: `false` when it is not.
    func storeCall(_ request: ControlRequest, _ call: CallID, on link: any FrameLink) throws(TelekinesisError) -> Bool {
        switch Selector(rawValue: request.selector) {
        case StoreService.put:
            let put: StorePut = try request.argument()
            try serve(call, on: link) { (session) throws(TelekinesisError) in try session.put(put) }
        case StoreService.write:
            let piece: StorePiece = try request.argument()
            guard piece.bytes.count <= StoreService.maximumPiece else {
                throw TelekinesisError(.badArguments, "a piece has at most \(StoreService.maximumPiece) bytes", ran: .no)
            }
            try serve(call, bytes: piece.bytes.count, on: link) { (session) throws(TelekinesisError) in
                try session.write(piece)
                return Nothing()
            }
        case StoreService.finish:
            let upload: UInt64 = try request.argument()
            try serve(call, on: link) { (session) throws(TelekinesisError) in
                try session.finish(upload)
                return Nothing()
            }
        case StoreService.abandon:
            let upload: UInt64 = try request.argument()
            try serve(call, on: link) { (session) throws(TelekinesisError) in
                session.abandon(upload)
                return Nothing()
            }
        case StoreService.hold:
            let digest: ContentDigest = try request.argument()
            try serve(call, on: link) { (session) throws(TelekinesisError) in
                guard let item = try session.hold(digest) else { throw StoreSession.missing(digest) }
                return item.size
            }
        case StoreService.read:
            let read: StoreRead = try request.argument()
            try serve(call, on: link) { (session) throws(TelekinesisError) in try session.read(read) }
        case StoreService.check:
            let digest: ContentDigest = try request.argument()
            try serve(call, on: link) { (session) throws(TelekinesisError) in try session.check(digest) }
        case StoreService.release:
            try storeSession().release(request.argument())
            answer(call, Nothing(), on: link)
        default: return false
        }
        return true
    }

    /// Answers a call on a thread of the store.
    private func serve<Answer: Encodable & Sendable>(
        _ call: CallID, bytes: Int = 0, on link: any FrameLink,
        _ body: @escaping @Sendable (StoreSession) throws(TelekinesisError) -> Answer
    ) throws(TelekinesisError) {
        let session = try storeSession()
        try session.submit(bytes: bytes) { [self] in
            do throws(TelekinesisError) {
                answer(call, try body(session), on: link)
            } catch {
                refuse(call, error, on: link)
            }
        }
    }

    private func storeSession() throws(TelekinesisError) -> StoreSession {
        guard let store = board.store else {
            throw TelekinesisError(
                .unsupported, "this hub stores no values: give the node a store of its own (`NodeConfiguration.store`)", ran: .no)
        }
        let session = storing.withLock { session in
            let used = session ?? StoreSession(store)
            session = used
            return used
        }
        // Whichever comes last, the session's end or this, ends what was just made.
        if tables.withLock({ $0.hasEnded }) { session.end() }
        return session
    }
}
