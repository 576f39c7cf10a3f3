internal import Synchronization
internal import TelekinesisProtocol

/// The store of the hub: content goes there and comes back in pieces, a few at a time.
final class HubStore: ValueStore {
    /// Values on their way at once. With the pieces of each it stays below what the hub takes.
    private static let transfers = 4
    private static let piecesUnderWay = 16

    private let session: NodeSession
    private let slots = TransferSlots(transfers)
    /// On which connections the hub was asked to hold what: with each, its holds end.
    private let holds = Mutex<[ContentDigest: [Acquaintance]]>([:])

    init(_ session: NodeSession) { self.session = session }

    func put(_ content: [UInt8], as reference: StoredReference) async throws {
        try await slots.run { [self] in
            let answer = try await settle(StoreService.put, StorePut(reference)) { [self] reply in
                guard let answer = try? reply.plainValue(StorePutAnswer.self) else { return }
                if let upload = answer.upload { tell(StoreService.abandon, upload) } else { tell(StoreService.release, reference.digest) }
            }.plainValue(StorePutAnswer.self)
            guard let upload = answer.upload else { return try note(reference) }
            do {
                try await forEachBounded(Self.offsets(content.count), width: Self.piecesUnderWay) { [self] offset in
                    let piece = content[offset..<min(offset + StoreService.maximumPiece, content.count)]
                    try await call(StoreService.write, StorePiece(upload: upload, offset: offset, bytes: Array(piece)))
                }
                try Task.checkCancellation()
            } catch {
                tell(StoreService.abandon, upload)
                throw error
            }
            try await settle(StoreService.finish, upload) { [self] reply in
                if (try? reply.throwError()) != nil { tell(StoreService.release, reference.digest) }
            }.throwError()
            try note(reference)
        }
    }

    func get(_ reference: StoredReference) async throws -> [UInt8] {
        try await slots.run { [self] in
            let size = try await settle(StoreService.hold, reference.digest) { [self] reply in
                if (try? reply.throwError()) != nil { tell(StoreService.release, reference.digest) }
            }.plainValue(Int.self)
            try note(reference)
            do {
                guard size == reference.size else {
                    throw TelekinesisError(.badArguments, "the size and the digest of the reference do not belong together", ran: .no)
                }
                // Only now: the memory is taken for content that is known to be there.
                let content = Mutex([UInt8](repeating: 0, count: size))
                try await forEachBounded(Self.offsets(size), width: Self.piecesUnderWay) { [self] offset in
                    let count = min(StoreService.maximumPiece, size - offset)
                    let piece = try await call(
                        StoreService.read, StoreRead(digest: reference.digest, offset: offset, count: count), as: [UInt8].self)
                    guard piece.count == count else {
                        throw TelekinesisError(.protocolViolation, "the hub's store has sent a piece of another size", ran: .no)
                    }
                    content.withLock { $0.replaceSubrange(offset..<offset + count, with: piece) }
                }
                return content.withLock { content in
                    defer { content = [] }
                    return content
                }
            } catch {
                release(reference)
                throw error
            }
        }
    }

    /// The hub holds something for this node.
    ///
    /// - Throws: `CancellationError` when nobody wants it any more; then it is given back.
    private func note(_ reference: StoredReference) throws {
        // That of now: a call that was held over the end of a connection was answered on the next one.
        let connection = session.acquaintance(of: .hub)
        holds.withLock { $0[reference.digest, default: []].append(connection) }
        guard Task.isCancelled else { return }
        release(reference)
        throw CancellationError()
    }

    func release(_ reference: StoredReference) {
        let connection = holds.withLock { holds -> Acquaintance? in
            guard var connections = holds[reference.digest] else { return nil }
            // Those that ended with a connection go first: what is held on this one is held until nobody needs it.
            let place = connections.firstIndex { $0.isGone } ?? connections.startIndex
            let connection = connections.remove(at: place)
            holds[reference.digest] = connections.isEmpty ? nil : connections
            return connection
        }
        if let connection, !connection.isGone { tell(StoreService.release, reference.digest) }
    }

    func check(_ reference: StoredReference) async throws {
        _ = try await call(StoreService.check, reference.digest, as: Bool.self)
    }

    private static func offsets(_ size: Int) -> StrideTo<Int> { stride(from: 0, to: size, by: StoreService.maximumPiece) }

    // MARK: Words with the hub

    private func call(_ selector: Selector, _ request: some Codable & Sendable) async throws {
        let reply = try await session.call(ControlCall.frame(selector, request), to: ControlCall.target)
        try reply.throwError()
    }

    private func call<Answer: Codable>(
        _ selector: Selector, _ request: some Codable & Sendable, as type: Answer.Type
    ) async throws -> Answer {
        let reply = try await session.call(ControlCall.frame(selector, request), to: ControlCall.target)
        return try reply.plainValue(type)
    }

    /// Makes a call after which the hub keeps something for this node.
    ///
    /// - Parameter giveBack: gets the answer when it comes too late.
    private func settle(
        _ selector: Selector, _ request: some Codable & Sendable, late giveBack: @escaping @Sendable (Reply) -> Void
    ) async throws -> Reply {
        try await session.settle(ControlCall.frame(selector, request)) { if case .success(let reply) = $0 { giveBack(reply) } }
    }

    /// Says something that needs no answer, if there is a connection: with its end, the hub knows.
    private func tell(_ selector: Selector, _ request: some Codable & Sendable) {
        guard session.state.withLock({ $0.phase.link != nil }), let frame = try? ControlCall.frame(selector, request) else { return }
        session.tell(frame)
    }
}
