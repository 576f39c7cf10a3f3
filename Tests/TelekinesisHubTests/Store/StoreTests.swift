import Foundation
import MessagePack
import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// The hub's methods that keep values, and their files.
@Suite(.timeLimit(.minutes(1))) struct StoreTests {
    private static func content(_ count: Int, _ seed: UInt8 = 1) throws -> (bytes: [UInt8], reference: StoredReference) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) ^ seed }
        return (bytes, StoredReference(digest: try ContentHasher.digest(of: bytes), size: count))
    }

    private static func withStore(
        _ change: (inout HubConfiguration) -> Void = { _ in }, on group: EventLoopGroup? = nil, _ body: (Hub, String) async throws -> Void
    ) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let hub = try await startHub(group) {
            $0.storeDirectory = path
            change(&$0)
        }
        try await body(hub, path)
        await hub.stop()
    }

    private static func files(_ path: String, _ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)")) ?? []).sorted()
    }

    @Test func contentComesBackAsItWas() async throws {
        try await Self.withStore { hub, path in
            let (first, second) = (try SimulatedNode(hub), try SimulatedNode(hub))
            let (bytes, reference) = try Self.content(150_000)
            try await first.store(bytes, as: reference)
            #expect(Self.files(path, "values").count == 1 && Self.files(path, "incoming").isEmpty)
            #expect(try await second.later(StoreService.hold, reference.digest, for: Int.self) == 150_000)
            #expect(try await second.read(reference) == bytes)
            // Who does not hold it cannot read it, and what nobody stored is not there.
            let third = try SimulatedNode(hub)
            let unheld = try await third.laterError(StoreService.read, StoreRead(digest: reference.digest, offset: 0, count: 1))
            #expect(unheld?.code == .noSuchObject && unheld?.ran == .no)
            let unknown = try await third.laterError(StoreService.hold, try Self.content(5, 9).reference.digest)
            #expect(unknown?.code == .noSuchObject)
        }
    }

    @Test func theSameContentIsNotSentTwice() async throws {
        try await Self.withStore { hub, path in
            let (bytes, reference) = try Self.content(100_000)
            let (first, second) = (try SimulatedNode(hub), try SimulatedNode(hub))
            try await first.store(bytes, as: reference)
            #expect(try await second.later(StoreService.put, StorePut(reference), for: StorePutAnswer.self).upload == nil)
            #expect(Self.files(path, "values").count == 1)
            let wrong = try await second.laterError(StoreService.put, StorePut(.init(digest: reference.digest, size: 5)))
            #expect(wrong?.code == .badArguments)
        }
    }

    @Test func whatTwoStoreAtOnceIsOneFile() async throws {
        try await Self.withStore { hub, path in
            let (bytes, reference) = try Self.content(100_000)
            let (first, second) = (try SimulatedNode(hub), try SimulatedNode(hub))
            let (one, other) = (try await first.begin(reference), try await second.begin(reference))
            try await first.write(bytes, to: one)
            try await second.write(bytes, to: other)
            try await first.laterEnd(StoreService.finish, one)
            try await second.laterEnd(StoreService.finish, other)
            #expect(Self.files(path, "values").count == 1 && Self.files(path, "incoming").isEmpty)
            #expect(hub.statistics.storedValues == 1 && hub.statistics.storedBytes == 100_000)
            #expect(try await first.read(reference) == bytes)
            #expect(try await second.read(reference) == bytes)
        }
    }

    @Test func contentThatIsNotWhatItsDigestSaysIsNotKept() async throws {
        try await Self.withStore { hub, path in
            let (bytes, reference) = try Self.content(100_000)
            let node = try SimulatedNode(hub)
            var damaged = bytes
            damaged[50_000] ^= 1
            for content in [damaged, Array(bytes.dropLast(60_000))] {
                let upload = try await node.begin(reference)
                try await node.write(content, to: upload)
                let error = try await node.laterError(StoreService.finish, upload)
                #expect(error?.code == .badArguments && error?.message.contains("digest") == true)
            }
            #expect(Self.files(path, "values").isEmpty && Self.files(path, "incoming").isEmpty)
            #expect(hub.statistics.storedBytes == 0)
            // A piece beyond the end, or before the beginning, is refused; so are those of others.
            let upload = try await node.begin(reference)
            for (offset, count) in [(99_999, 2), (-1, 1), (Int.max, 1), (100_001, 0)] {
                let piece = StorePiece(upload: upload, offset: offset, bytes: [UInt8](repeating: 0, count: count))
                #expect(try await node.laterError(StoreService.write, piece)?.code == .badArguments)
            }
            let stranger = try SimulatedNode(hub)
            #expect(try await stranger.laterError(StoreService.finish, upload)?.code == .badArguments)
        }
    }

    @Test func nobodyCanStoreContentUnderAWrongSize() async throws {
        try await Self.withStore { hub, _ in
            let (liar, honest) = (try SimulatedNode(hub), try SimulatedNode(hub))
            let (bytes, reference) = try Self.content(100_000)
            let upload = try await liar.begin(StoredReference(digest: reference.digest, size: 100_001))
            try await liar.write(bytes, to: upload)
            #expect(try await liar.laterError(StoreService.finish, upload)?.code == .badArguments)
            #expect(hub.statistics.storedValues == 0 && hub.statistics.storedBytes == 0)
            try await honest.store(bytes, as: reference)
            #expect(try await honest.read(reference) == bytes)
        }
    }

    @Test func aConnectionThatIsCutWhileItStoresLeavesNothing() async throws {
        try await Self.withStore { hub, path in
            let (bytes, reference) = try Self.content(100_000)
            let node = try SimulatedNode(hub)
            let upload = try await node.begin(reference)
            try await node.write(Array(bytes.prefix(60_000)), to: upload)
            #expect(Self.files(path, "incoming").count == 1 && hub.statistics.storedBytes == 100_000)
            node.close()
            try await soon { Self.files(path, "incoming").isEmpty && hub.statistics.storedBytes == 0 }
            #expect(hub.board.store?.ledger.withLock { $0.isEmpty } == true)
        }
    }

    @Test func aFileThatWasDamagedIsFoundOutAndRemoved() async throws {
        try await Self.withStore { hub, path in
            let (bytes, reference) = try Self.content(100_000)
            let node = try SimulatedNode(hub)
            try await node.store(bytes, as: reference)
            #expect(try await node.later(StoreService.check, reference.digest, for: Bool.self))
            let file = try #require(Self.files(path, "values").first)
            try Self.damage("\(path)/values/\(file)")
            #expect(try await node.later(StoreService.check, reference.digest, for: Bool.self) == false)
            #expect(Self.files(path, "values").isEmpty && hub.statistics.storedValues == 0)
            try await node.store(bytes, as: reference)
            #expect(try await node.read(reference) == bytes)
        }
    }

    @Test func aRestartedHubLooksAtFilesBeforeItHandsThemOut() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (good, bad) = (try Self.content(100_000, 1), try Self.content(100_000, 2))
        let first = try await startHub { $0.storeDirectory = path }
        let storing = try SimulatedNode(first)
        for content in [good, bad] { try await storing.store(content.bytes, as: content.reference) }
        await first.stop()
        let file = try #require(Self.files(path, "values").first { $0.hasPrefix(bad.reference.digest.description) })
        try Self.damage("\(path)/values/\(file)")
        // What never became whole goes; what is not the store's stays, and cannot lead anywhere else.
        try Data([1]).write(to: URL(filePath: path + "/incoming/000000000000002a"))
        try Data([1]).write(to: URL(filePath: path + "/values/notes.txt"))
        let outside = String(repeating: "ab", count: 32) + "-0000000000000001"
        try FileManager.default.createSymbolicLink(atPath: "\(path)/values/\(outside)", withDestinationPath: "/etc/passwd")
        let second = try await startHub { $0.storeDirectory = path }
        #expect(second.statistics.storedValues == 2 && Self.files(path, "incoming").isEmpty)
        let node = try SimulatedNode(second)
        #expect(try await node.later(StoreService.hold, good.reference.digest, for: Int.self) == 100_000)
        #expect(try await node.read(good.reference) == good.bytes)
        #expect(try await node.laterError(StoreService.hold, bad.reference.digest)?.code == .noSuchObject)
        #expect(Self.files(path, "values").contains("notes.txt") && second.statistics.storedValues == 1)
        await second.stop()
    }

    @Test func whatNobodyUsesForLongIsRemoved() async throws {
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 1, clock: .virtual(clock))
        try await Self.withStore({ $0.limits.store.linger = .seconds(3600) }, on: group) { hub, path in
            let (held, left) = (try Self.content(10, 1), try Self.content(10, 2))
            // No word of a link is heard on a clock that stands still for its peer, so this one asks for none.
            let node = StoreSession(try #require(hub.board.store))
            for content in [held, left] {
                let upload = try #require(try node.put(StorePut(content.reference)).upload)
                try node.write(StorePiece(upload: upload, offset: 0, bytes: content.bytes))
                try node.finish(upload)
            }
            node.release(left.reference.digest)
            await clock.advance(by: 3_599_000_000_000)
            #expect(hub.statistics.storedValues == 2)
            await clock.advance(by: 500_000_000_000)
            #expect(hub.statistics.storedValues == 1)
            try await soon { Self.files(path, "values").count == 1 }
            #expect(Self.files(path, "values").first?.hasPrefix(held.reference.digest.description) == true)
            node.end()
            try await soon { hub.board.store?.ledger.withLock { $0[held.reference.digest]?.holds } == 0 }
            await clock.advance(by: 7_200_000_000_000)
            #expect(hub.statistics.storedValues == 0)
            try await soon { Self.files(path, "values").isEmpty }
        }
    }

    @Test func aNodeThatAsksForTooMuchAtOnceIsRefused() async throws {
        try await Self.withStore { hub, _ in
            let (bytes, reference) = try Self.content(100_000)
            let node = try SimulatedNode(hub)
            try await node.store(bytes, as: reference)
            let gate = DispatchSemaphore(value: 0)
            // The store's threads have something else to do.
            for _ in 0..<4 { hub.board.store?.pool.submit { gate.wait() } }
            let calls = try (0..<StoreService.maximumCalls + 10).map { _ in
                try node.control(StoreService.read, StoreRead(digest: reference.digest, offset: 0, count: 10))
            }
            let refused = calls.compactMap { node.answer(to: $0)?.error }
            #expect(refused.count >= 9 && refused.allSatisfy { $0.code == .overloaded && $0.ran == .no })
            for _ in 0..<4 { gate.signal() }
            try await soon { (try? await node.read(reference)) == bytes }
        }
    }

    @Test func withoutADirectoryOfItsOwnFilesGoWithTheHub() async throws {
        let hub = try await startHub()
        let before = Self.temporary
        let (bytes, reference) = try Self.content(100_000)
        let node = try SimulatedNode(hub)
        #expect(Self.temporary == before)
        try await node.store(bytes, as: reference)
        #expect(Self.temporary.count == before.count + 1)
        await hub.stop()
        #expect(Self.temporary == before)
    }

    private static var temporary: Set<String> {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: FileManager.default.temporaryDirectory.path)) ?? []
        return Set(names.filter { $0.hasPrefix("telekinesis-store-") })
    }

    private static func damage(_ path: String) throws {
        let handle = try FileHandle(forUpdating: URL(filePath: path))
        try handle.seek(toOffset: 70_000)
        try handle.write(contentsOf: Data([0xff, 0x00, 0xff]))
        try handle.close()
    }
}

/// Waits for something that other threads bring about.
func soon(_ location: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard ContinuousClock.now < end else {
            Issue.record("this did not come about", sourceLocation: location)
            throw CancellationError()
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}

extension SimulatedNode {
    /// The answer to a call that the hub gives later, from another thread.
    func laterReply(_ selector: Selector, _ argument: some Encodable) async throws -> KeptFrame {
        let call = try control(selector, argument)
        var reply: KeptFrame?
        try await soon {
            reply = answer(to: call)
            return reply != nil
        }
        return try #require(reply)
    }

    func later<Answer: Decodable>(_ selector: Selector, _ argument: some Encodable, for: Answer.Type) async throws -> Answer {
        let reply = try await laterReply(selector, argument)
        if let error = reply.error { throw error }
        return try MessagePackDecoder().decode(Answer.self, from: [UInt8](reply.body.dropFirst()))
    }

    func laterError(_ selector: Selector, _ argument: some Encodable) async throws -> TelekinesisError? {
        try await laterReply(selector, argument).error
    }

    func laterEnd(_ selector: Selector, _ argument: some Encodable) async throws {
        if let error = try await laterError(selector, argument) { throw error }
    }

    func begin(_ reference: StoredReference) async throws -> UInt64 {
        try #require(try await later(StoreService.put, StorePut(reference), for: StorePutAnswer.self).upload)
    }

    func write(_ content: [UInt8], to upload: UInt64) async throws {
        for offset in stride(from: 0, to: content.count, by: StoreService.maximumPiece) {
            let piece = Array(content[offset..<min(offset + StoreService.maximumPiece, content.count)])
            try await laterEnd(StoreService.write, StorePiece(upload: upload, offset: offset, bytes: piece))
        }
    }

    func store(_ content: [UInt8], as reference: StoredReference) async throws {
        let upload = try await begin(reference)
        try await write(content, to: upload)
        try await laterEnd(StoreService.finish, upload)
    }

    func read(_ reference: StoredReference) async throws -> [UInt8] {
        var content: [UInt8] = []
        while content.count < reference.size {
            let read = StoreRead(digest: reference.digest, offset: content.count, count: StoreService.maximumPiece)
            content += try await later(StoreService.read, read, for: [UInt8].self)
        }
        return content
    }
}
