import MessagePack
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis
@testable import TelekinesisHub

/// Large values that are handed over by reference, through a hub over sockets.
@Suite(.timeLimit(.minutes(1))) struct StoringTests {
    private static let mebibyte = 1024 * 1024

    /// A hub, and an archive with a caller, each on a connection of its own.
    struct Line {
        let hub: Hub
        let provider: Node
        let caller: Node
        let archive: Archive
        let journal = Journal()

        init(
            hub change: (inout HubConfiguration) -> Void = { _ in }, nodes: (inout NodeConfiguration) -> Void = { _ in }
        ) async throws {
            hub = try await startHub(change)
            provider = try await hub.connect(nodes)
            caller = try await hub.connect(nodes)
            try await provider.publish(Archive(on: provider, journal), as: "demo/archive")
            archive = try await caller.resolve("demo/archive", as: Archive.self)
        }
    }

    @Test func manyBytesTravelByReferenceAndAreStoredOnce() async throws {
        let line = try await Line()
        let data = StoredData(Archive.bytes(3 * Self.mebibyte))
        #expect(try await line.archive.echo(data) == data)
        #expect(try await line.archive.size(of: StoredData(Archive.bytes(3 * Self.mebibyte))) == 3 * Self.mebibyte)
        #expect(line.hub.statistics.storedValues == 1)
        #expect(line.hub.statistics.storedBytes == 3 * Self.mebibyte)
        await line.hub.stop()
    }

    @Test func whoseTimeIsUpLeavesNothingAtTheHub() async throws {
        let line = try await Line { $0.limits.store.uploadsPerSession = 8 }
        var digests: [ContentDigest] = []
        for number in 0..<40 {
            let data = StoredData(Archive.bytes(100_000 + number))
            digests.append(try await StoredData.digest(of: data.bytes))
            _ = try? await withDeadline(.after(.microseconds(number * 50))) { try await line.archive.size(of: data) }
        }
        #expect(try await line.archive.size(of: StoredData(Archive.bytes(99_000))) == 99_000)
        // Nor is anything held that nobody has any more.
        try await eventually { digests.allSatisfy { line.hub.holds(StoredReference(digest: $0, size: 0)) == 0 } }
        await line.hub.stop()
    }

    @Test func aTypeOfOnesOwnUsesTheNodesStore() async throws {
        let line = try await Line()
        try await line.provider.publish(function: "demo/pages") { (book: Book) in book.pages.count }
        let pages: RemoteFunction<(Book) -> Int> = try await line.caller.function("demo/pages")
        #expect(try await pages(Book(pages: Archive.bytes(100_000))) == 100_000)
        #expect(line.hub.statistics.storedBytes == 100_000)
        await line.hub.stop()
    }

    @Test func fewBytesTravelWithTheMessage() async throws {
        let line = try await Line()
        for size in [0, 1, StoredData.inlineLimit] {
            let data = StoredData(Archive.bytes(size))
            #expect(try await line.archive.echo(data) == data)
        }
        #expect(line.hub.statistics.storedValues == 0)
        #expect(try await line.archive.size(of: StoredData(Archive.bytes(StoredData.inlineLimit + 1))) == StoredData.inlineLimit + 1)
        #expect(line.hub.statistics.storedValues == 1)
        await line.hub.stop()
    }

    @Test func storedValuesMayBeAnywhereInOthers() async throws {
        let line = try await Line()
        func data(_ size: Int) -> StoredData { StoredData(Archive.bytes(size, size)) }
        let album = Album(title: "a", pages: [70_000, 5, 80_000].map { .init(number: $0, picture: data($0)) })
        let sizes = try await line.archive.sizes(
            of: [data(90_000), data(1), data(100_000)], ["x": data(110_000), "y": data(2)], data(120_000), in: album)
        #expect(sizes == [90_000, 1, 100_000, 110_000, 2, 120_000, 70_000, 5, 80_000])
        #expect(try await line.archive.sizes(of: [], [:], nil, in: Album(title: "", pages: [])) == [-1])
        let made = try await line.archive.album(5, of: 100_000)
        #expect(made.pages.map(\.picture) == (0..<5).map { StoredData(Archive.bytes(100_000, $0)) })
        await line.hub.stop()
    }

    @Test func aCallWithStoredValuesIsAwaitedWhereOthersAreSentAhead() async throws {
        let line = try await Line()
        let archive = line.archive
        let size = try await withPipelining {
            let branch = try await archive.branch(with: StoredData(Archive.bytes(100_000)))
            return try await branch.size()
        }
        #expect(size == 100_000)
        await line.hub.stop()
    }

    @Test func encodableValuesAreStoredAsWhole() async throws {
        let line = try await Line()
        let numbers = (0..<50_000).map { ($0 * 7919) % 50_000 }
        #expect(try await line.archive.sorted(Stored(numbers)).value == Array(0..<50_000))
        #expect(try await line.archive.sorted(Stored([3, 1, 2])).value == [1, 2, 3])
        await line.hub.stop()
    }

    @Test func typesMaySayThemselvesHowTheyAreStored() async throws {
        let line = try await Line(hub: { $0.storesValues = false })
        #expect(try await line.archive.shouted(Note("hello", on: "own")).text == "HELLO")
        #expect(Boards.counts("own") == [2, 2])
        // Each once, however many there are: the message is not read anew for each.
        let many = (0..<200).map { Note("n\($0)", on: "many") }
        #expect(try await line.archive.shouted(all: many).map(\.text) == (0..<200).map { "N\($0)" })
        #expect(Boards.counts("many") == [400, 400])
        await line.hub.stop()
    }

    @Test func functionsTakeAndReturnStoredValues() async throws {
        let line = try await Line()
        try await line.provider.publish(function: "demo/twice") { (data: StoredData) in StoredData(data.bytes + data.bytes) }
        let twice: RemoteFunction<(StoredData) -> StoredData> = try await line.caller.function("demo/twice")
        let bytes = Archive.bytes(100_000)
        #expect(try await twice(StoredData(bytes)).bytes == bytes + bytes)
        let local = RemoteFunction { (data: StoredData) in data.count }
        #expect(try await local(StoredData(bytes)) == 100_000)
        // A call on the node's own object goes the same way.
        let own = try await line.provider.resolve("demo/archive", as: Archive.self)
        #expect(try await own.echo(StoredData(bytes)).bytes == bytes)
        await line.hub.stop()
    }

    @Test func aTypeThatGoesOnWithoutAPartGetsItNevertheless() async throws {
        let line = try await Line()
        #expect(try await line.archive.lenient(Lenient(Note("here", on: "lenient"))))
        #expect(try await !line.archive.lenient(Lenient(nil)))
        await line.hub.stop()
    }

    @Test func whoWritesByHandGivesBytesOrAReference() async throws {
        let line = try await Line()
        let bytes = Archive.bytes(100_000)
        let reference = StoredReference(digest: try ContentHasher.digest(of: bytes), size: bytes.count)
        try await line.caller.store.put(bytes, as: reference)
        func size(_ word: String) async throws -> Int {
            try MessagePackDecoder().decode(Int.self, from: await line.caller.call("demo/archive", words: ["size", word]))
        }
        #expect(try await size("AQID") == 3)
        #expect(try await size("{\"$stored\": {\"digest\": \"\(reference.digest)\", \"size\": 100000}}") == 100_000)
        let other = String(repeating: "0", count: 64)
        let missing = try await failure { try await size("{\"$stored\": {\"digest\": \"\(other)\", \"size\": 100000}}") }
        #expect(missing.code == .noSuchObject && missing.ran == .no, "\(missing)")
        let wrong = try await failure { try await size("{\"$stored\": {\"digest\": \"\(reference.digest)\", \"size\": 5}}") }
        #expect(wrong.code == .badArguments && wrong.ran == .no, "\(wrong)")
        let path = try await failure { try await size("{\"$stored\": {\"digest\": \"../../hub.key\", \"size\": 32}}") }
        #expect(path.code == .badArguments && path.ran == .no, "\(path)")
        await line.hub.stop()
    }

    @Test func manyCallsAtOnceWithTheSameValueStoreItOnce() async throws {
        let line = try await Line()
        let bytes = Archive.bytes(300_000)
        try await withThrowingTaskGroup { group in
            for _ in 0..<32 {
                group.addTask { try #require(try await line.archive.echo(StoredData(bytes)).bytes == bytes) }
            }
            try await group.waitForAll()
        }
        #expect(line.hub.statistics.storedValues == 1 && line.hub.statistics.storedBytes == 300_000)
        await line.hub.stop()
    }

    // MARK: Losses

    @Test func aConnectionThatIsLostWhileAValueIsStoredLeavesNothing() async throws {
        let line = try await Line()
        let cuttable = try CuttableHub(line.hub)
        let caller = try await cuttable.connect()
        let archive = try await caller.resolve("demo/archive", as: Archive.self)
        let way = try #require(cuttable.line)
        let call = Task { try await archive.size(of: StoredData(Archive.bytes(Self.mebibyte))) }
        // The hub has been asked, and its answer does not come through.
        way.hold(towardsHub: false, towardsNode: true)
        try await eventually { line.hub.statistics.storedBytes == Self.mebibyte }
        way.cut()
        let error = try await failure { try await call.value }
        #expect(error.code == .disconnected && error.ran == .no && error.message.contains("StoredData"), "\(error)")
        try await eventually { line.hub.statistics.storedBytes == 0 && line.hub.statistics.storedValues == 0 }
        #expect(line.journal.entries.isEmpty)
        // With the next connection the same value goes through.
        #expect(try await archive.size(of: StoredData(Archive.bytes(Self.mebibyte))) == Self.mebibyte)
        await line.hub.stop()
    }

    @Test func whatWasHeldOnALostConnectionReleasesNothingOfTheNext() async throws {
        let line = try await Line()
        let cuttable = try CuttableHub(line.hub)
        let caller = try await cuttable.connect()
        let bytes = Archive.bytes(100_000)
        let reference = StoredReference(digest: try ContentHasher.digest(of: bytes), size: bytes.count)
        try await caller.store.put(bytes, as: reference)
        cuttable.line?.cut()
        try await eventually { caller.isConnected && cuttable.joins == 2 }
        try await caller.store.put(bytes, as: reference)
        // One for the first connection, which needs no word, one for this.
        caller.store.release(reference)
        _ = try await caller.list()
        #expect(line.hub.holds(reference) == 1)
        caller.store.release(reference)
        try await eventually { line.hub.holds(reference) == 0 }
        await line.hub.stop()
    }

    @Test func aCallThatIsCancelledWhileItsValueIsStoredLeavesNothing() async throws {
        let line = try await Line()
        let cuttable = try CuttableHub(line.hub)
        let caller = try await cuttable.connect()
        let archive = try await caller.resolve("demo/archive", as: Archive.self)
        let way = try #require(cuttable.line)
        way.hold(towardsHub: false, towardsNode: true)
        let call = Task { try await archive.size(of: StoredData(Archive.bytes(Self.mebibyte))) }
        try await eventually { line.hub.statistics.storedBytes == Self.mebibyte }
        call.cancel()
        way.letGo()
        await #expect(throws: (any Error).self) { try await call.value }
        try await eventually { line.hub.statistics.storedBytes == 0 }
        #expect(line.journal.entries.isEmpty && caller.isConnected)
        await line.hub.stop()
    }

    // MARK: Failures

    @Test func failuresNameTheValueAndSayWhetherTheMethodRan() async throws {
        let line = try await Line()
        let unstored = try await failure { try await line.archive.shouted(Note("x", on: "full")) }
        #expect(unstored.code == .storeFull && unstored.ran == .no)
        #expect(unstored.message.contains("argument number 1") && unstored.message.contains("Note"), "\(unstored)")
        let unfetched = try await failure { try await line.archive.shouted(Note("x", on: "lost")) }
        #expect(unfetched.code == .noSuchObject && unfetched.ran == .no)
        #expect(unfetched.message.contains("argument 1") && unfetched.message.contains("Note"), "\(unfetched)")
        #expect(line.journal.entries.isEmpty)
        let unstoredResult = try await failure { try await line.archive.broken() }
        #expect(unstoredResult.code == .storeFull && unstoredResult.ran == .yes)
        #expect(unstoredResult.message.contains("the result has a Note"), "\(unstoredResult)")
        let unfetchedResult = try await failure { try await line.archive.missing() }
        #expect(unfetchedResult.code == .noSuchObject && unfetchedResult.ran == .yes)
        #expect(line.caller.isIdle && line.provider.isIdle)
        await line.hub.stop()
    }

    // MARK: Constructors

    @Test func instancesAreMadeOfStoredValues() async throws {
        let line = try await Line()
        try await line.provider.publish(class: "demo/Branch") { [provider = line.provider] (data: StoredData, notes: [Note]) in
            Branch(data.count + notes.count, on: provider)
        }
        let make: RemoteClass<Branch> = line.caller.class("demo/Branch")
        let branch = try make(StoredData(Archive.bytes(100_000)), [Note("a", on: "constructor"), Note("b", on: "constructor")])
        #expect(try await branch.size() == 100_002)
        #expect(line.hub.statistics.storedValues == 1 && Boards.counts("constructor") == [2, 2])
        // What cannot be stored, or fetched, fails the calls of the instance, with the error that says so.
        for (note, words) in [(Note("c", on: "full"), "the board is full"), (Note("d", on: "lost"), "no such note")] {
            let error = try await failure { try await make(StoredData([]), [note]).size() }
            #expect(error.ran == .no && error.message.contains(words), "\(error)")
        }
        // Others are made meanwhile and afterwards.
        #expect(try await make(StoredData([1]), [Note]()).size() == 1)
        try await eventually { line.caller.isIdle && line.provider.isIdle }
        await line.hub.stop()
    }

    @Test func callsWaitUntilTheValuesOfAConstructionAreStored() async throws {
        let store = HeldStore()
        let line = try await Line(nodes: { $0.store = store })
        try await line.provider.publish(class: "demo/Branch") { [provider = line.provider] (data: StoredData) in
            Branch(data.count, on: provider)
        }
        let branch = try line.caller.class("demo/Branch", of: Branch.self)(StoredData(Archive.bytes(100_000)))
        async let size = branch.size()
        await store.hasSomething()
        // Whoever waits does so until its own deadline, or until it is cancelled.
        let late = try await failure { try await withDeadline(.milliseconds(20)) { try await branch.size() } }
        #expect(late.code == .deadlineExceeded && late.ran == .no)
        let task = Task { try await branch.size() }
        task.cancel()
        #expect(try await failure { try await task.value }.code == .cancelled)
        store.letGo()
        #expect(try await size == 100_000)
        await line.hub.stop()
    }

    // MARK: Streams

    @Test func elementsOfStreamsMayBeStored() async throws {
        let line = try await Line()
        let pages = (0..<40).map { Album.Page(number: $0, picture: StoredData(Archive.bytes($0 % 3 == 0 ? 100_000 : 10, $0))) }
        try await line.provider.publish(function: "demo/pages") { RemoteStream(pages) }
        try await line.provider.publish(function: "demo/sum") { (pages: RemoteStream<Album.Page>) in
            var sum = 0
            for try await page in pages { sum += page.picture.count }
            return sum
        }
        let stream = try await line.caller.function("demo/pages", as: (() -> RemoteStream<Album.Page>).self)()
        var read: [Album.Page] = []
        for try await page in stream { read.append(page) }
        #expect(read == pages && line.hub.statistics.storedValues == 14)
        let sum = try await line.caller.function("demo/sum", as: ((RemoteStream<Album.Page>) -> Int).self)(RemoteStream(pages))
        #expect(sum == pages.reduce(0) { $0 + $1.picture.count })
        await line.hub.stop()
    }

    @Test func anElementWithoutItsValueEndsItsStreamOnly() async throws {
        let line = try await Line()
        try await line.provider.publish(function: "demo/notes") { (board: String) in
            let (a, b, d) = (Note("a", on: "stream"), Note("b", on: "stream"), Note("d", on: "stream"))
            return RemoteStream<[Note]>([[a], [], [b, Note("c", on: board)], [d]])
        }
        let notes = try await line.caller.function("demo/notes", as: ((String) -> RemoteStream<[Note]>).self)
        // Not to be stored, and not to be fetched.
        for (board, words) in [("full", "could not be stored"), ("lost", "could not be fetched")] {
            var read = 0
            let error = try await failure { for try await _ in try await notes(board) { read += 1 } }
            #expect(read == 2 && error.message.contains(words) && error.message.contains("an element of the stream has a Note"), "\(error)")
        }
        var all: [String] = []
        for try await some in try await notes("stream") { all += some.map(\.text) }
        #expect(all == ["a", "b", "c", "d"])
        try await eventually { line.provider.isIdle && line.caller.isIdle }
        await line.hub.stop()
    }

    @Test func fewStoredElementsAreAheadOfTheirReaderAndTheSourceHoldsThem() async throws {
        // Nothing stays in the store but what somebody holds.
        let line = try await Line(nodes: { [store = InMemoryStore(lingering: .zero)] in $0.store = store })
        let sent = Atomic<Int>(0)
        let (allAreRead, reading) = AsyncStream.makeStream(of: Void.self)
        try await line.provider.publish(function: "demo/frames") {
            RemoteStream<StoredData> { send in
                for number in 0..<50 {
                    try await send(StoredData(Archive.bytes(100_000, number)))
                    sent.add(1, ordering: .relaxed)
                }
                for await _ in allAreRead {}
            }
        }
        let frames = try await line.caller.function("demo/frames", as: (() -> RemoteStream<StoredData>).self)()
        var reader = frames.buffering(bytes: 256 * 1024).makeAsyncIterator()
        for number in 0..<50 {
            #expect(try await reader.next() == StoredData(Archive.bytes(100_000, number)))
            // Four fill the window, one more may leave, and one waits.
            let ahead = sent.load(ordering: .relaxed) - number
            #expect(ahead <= 7, "at \(number)")
            // Slower than the source.
            if number % 10 == 0 { try await eventually { sent.load(ordering: .relaxed) >= min(50, number + 4) } }
        }
        reading.finish()
        #expect(try await reader.next() == nil)
        await line.hub.stop()
    }

    @Test func elementsInFrontOfAStoredOneLeaveMeanwhileAndTheOthersBehindIt() async throws {
        let store = HeldStore()
        let line = try await Line(nodes: { $0.store = store })
        let sizes = [1, 2, 100_000, 3, 90_000]
        try await line.provider.publish(function: "demo/frames") { RemoteStream(sizes.map { StoredData(Archive.bytes($0)) }) }
        let frames = try await line.caller.function("demo/frames", as: (() -> RemoteStream<StoredData>).self)
        var reader = try await frames().makeAsyncIterator()
        #expect(try await reader.next()?.count == 1)
        #expect(try await reader.next()?.count == 2)
        await store.hasSomething()
        store.letGo()
        for size in sizes[2...] { #expect(try await reader.next()?.count == size) }
        #expect(try await reader.next() == nil)
        await line.hub.stop()
    }

    @Test func aReaderThatStopsEndsAStreamWhoseElementIsBeingStored() async throws {
        let store = HeldStore()
        let line = try await Line(nodes: { $0.store = store })
        try await line.provider.publish(function: "demo/frames") { RemoteStream([1, 100_000].map { StoredData(Archive.bytes($0)) }) }
        let frames = try await line.caller.function("demo/frames", as: (() -> RemoteStream<StoredData>).self)
        for try await frame in try await frames() where frame.count == 1 {
            await store.hasSomething()
            break
        }
        try await eventually { line.provider.isIdle && line.caller.isIdle }
        await line.hub.stop()
    }

    @Test func anArgumentsElementWithoutItsValueFailsThatCallOnly() async throws {
        let line = try await Line()
        let counted = Atomic<Int>(0)
        try await line.provider.publish(function: "demo/count") { (notes: RemoteStream<Note>) in
            for try await _ in notes { counted.add(1, ordering: .relaxed) }
            return counted.load(ordering: .relaxed)
        }
        let count = try await line.caller.function("demo/count", as: ((RemoteStream<Note>) -> Int).self)
        for (board, words) in [("full", "could not be stored"), ("lost", "could not be fetched")] {
            let error = try await failure { try await count(RemoteStream([Note("a", on: "upload"), Note("b", on: board)])) }
            #expect(error.message.contains("an element of the stream has a Note that \(words)"), "\(error)")
        }
        #expect(try await count(RemoteStream([Note("c", on: "upload")])) == 3)
        try await eventually { line.provider.isIdle && line.caller.isIdle }
        await line.hub.stop()
    }

    // MARK: States

    @Test func statesMayHaveStoredValues() async throws {
        let line = try await Line()
        let screen = Screen(on: line.provider)
        try await line.provider.publish(screen, as: "demo/screen")
        let remote = try await line.caller.resolve("demo/screen", as: Screen.self)
        #expect(try await remote.picture.value == StoredData([]))
        var pictures = try await remote.picture.makeAsyncIterator()
        #expect(try await pictures.next() == StoredData([]))
        for number in 1...5 {
            let picture = StoredData(Archive.bytes(100_000, number))
            try await screen.show(picture)
            #expect(try await pictures.next() == picture)
            #expect(try await remote.picture.value == picture)
        }
        #expect(line.hub.statistics.storedValues == 5)
        await line.hub.stop()
    }

    @Test func limitsAreRefusedByName() async throws {
        let line = try await Line(
            hub: {
                $0.limits.store.valueBytes = 300_000
                $0.limits.store.sessionBytes = 500_000
                $0.limits.store.totalBytes = 700_000
            },
            nodes: { _ in })
        func store(_ size: Int, _ seed: Int, from node: Node) async throws {
            _ = try await node.resolve("demo/archive", as: Archive.self).size(of: StoredData(Archive.bytes(size, seed)))
        }
        let large = try await failure { try await store(300_001, 1, from: line.caller) }
        #expect(large.code == .tooLarge && large.ran == .no && large.message.contains("valueBytes"), "\(large)")
        try await store(300_000, 2, from: line.caller)
        let session = try await failure { try await store(300_000, 3, from: line.caller) }
        #expect(session.code == .storeFull && session.ran == .no && session.message.contains("sessionBytes"), "\(session)")
        // What is there already takes no room.
        try await store(300_000, 2, from: line.caller)
        let other = try await line.hub.connect()
        try await store(300_000, 4, from: other)
        let total = try await failure { try await store(200_000, 5, from: other) }
        #expect(total.code == .storeFull && total.message.contains("--store-limit"), "\(total)")
        #expect(line.hub.statistics.storedValues == 2 && line.hub.statistics.storedBytes == 600_000)
        await line.hub.stop()
    }

    @Test func aNodeTakesNoMoreThanItAllows() async throws {
        let hub = try await startHub()
        let provider = try await hub.connect {
            $0.maximumStoredValue = 150_000
            $0.maximumFetchedBytes = 250_000
        }
        let caller = try await hub.connect()
        try await provider.publish(Archive(on: provider), as: "demo/archive")
        let archive = try await caller.resolve("demo/archive", as: Archive.self)
        let large = try await failure { try await archive.size(of: StoredData(Archive.bytes(150_001))) }
        #expect(large.code == .tooLarge && large.ran == .no && large.message.contains("maximumStoredValue"), "\(large)")
        let album = Album(title: "", pages: [])
        let many = try await failure {
            try await archive.sizes(of: (0..<3).map { StoredData(Archive.bytes(100_000, $0)) }, [:], nil, in: album)
        }
        #expect(many.code == .overloaded && many.ran == .no && many.message.contains("maximumFetchedBytes"), "\(many)")
        #expect(try await archive.size(of: StoredData(Archive.bytes(150_000))) == 150_000)
        #expect(provider.storage.fetchedBytes == 0)
        await hub.stop()
    }

    @Test func aHubWithoutAStoreSaysSo() async throws {
        let line = try await Line(hub: { $0.storesValues = false })
        let error = try await failure { try await line.archive.size(of: StoredData(Archive.bytes(100_000))) }
        #expect(error.code == .unsupported && error.ran == .no && error.message.contains("NodeConfiguration.store"), "\(error)")
        await line.hub.stop()
    }

    // MARK: Stores

    @Test func anotherStoreIsAProtocolAway() async throws {
        let store = InMemoryStore(lingering: .zero)
        let line = try await Line(hub: { $0.storesValues = false }, nodes: { $0.store = store })
        do {
            let data = StoredData(Archive.bytes(200_000))
            #expect(try await line.archive.echo(data) == data)
            #expect(store.bytes == 200_000)
        }
        // Nobody has the value any more, so the store does not either.
        try await eventually { store.bytes == 0 }
        await line.hub.stop()
    }

    @Test func aResultIsInTheStoreUntilItsCallerHasIt() async throws {
        let line = try await Line(nodes: { [store = InMemoryStore()] in $0.store = store })
        // Made for this call: its method holds nothing of it.
        #expect(try await line.archive.album(3, of: 100_000).pages.map(\.picture.count) == [100_000, 100_000, 100_000])
        await line.hub.stop()
    }

    @Test func aStoreThatReturnsOtherBytesIsNotBelieved() async throws {
        let line = try await Line(nodes: { $0.store = LyingStore() })
        let error = try await failure { try await line.archive.size(of: StoredData(Archive.bytes(200_000))) }
        #expect(error.code == .badResult && error.ran == .no && error.message.contains("damaged"), "\(error)")
        #expect(line.journal.entries.isEmpty)
        await line.hub.stop()
    }

    @Test func aHubThatIsRestartedHasWhatItHad() async throws {
        try await withTemporaryDirectory { directory in
            let bytes = Archive.bytes(Self.mebibyte)
            let reference = StoredReference(digest: try #require(ContentDigest(Self.sha256(of: bytes))), size: bytes.count)
            let first = try await startHub { $0.storeDirectory = directory }
            let storing = try await first.connect()
            try await storing.store.put(bytes, as: reference)
            // Nobody else gets at the directory meanwhile.
            let error = try await failure { try await startHub { $0.storeDirectory = directory } }
            #expect(error.code == .invalidUse && error.message.contains("another hub"))
            await first.stop()
            let second = try await startHub { $0.storeDirectory = directory }
            #expect(second.statistics.storedValues == 1)
            let reading = try await second.connect()
            let read = try await reading.store.get(reference)
            #expect(read == bytes)
            await second.stop()
        }
    }

    private static func sha256(of bytes: [UInt8]) throws -> [UInt8] {
        let digest = try ContentHasher.digest(of: bytes)
        return stride(from: 0, to: 64, by: 2).compactMap { UInt8(digest.description.dropFirst($0).prefix(2), radix: 16) }
    }
}

extension Hub {
    /// How often the hub's store was asked to hold something.
    fileprivate func holds(_ reference: StoredReference) -> Int {
        board.store?.ledger.withLock { $0[reference.digest]?.holds } ?? 0
    }
}

/// A store that returns something else than what it was given.
private final class LyingStore: ValueStore {
    private let content = Mutex<[UInt8]>([])

    func put(_ content: [UInt8], as reference: StoredReference) { self.content.withLock { $0 = content.reversed() } }
    func get(_ reference: StoredReference) -> [UInt8] { [UInt8](Archive.bytes(reference.size, 99)) }
}

/// A store that keeps whoever stores something waiting.
private final class HeldStore: ValueStore {
    private let store = InMemoryStore()
    private let (gate, opening) = AsyncStream.makeStream(of: Void.self)
    private let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self)

    func hasSomething() async { for await _ in arrivals { return } }
    func letGo() { opening.finish() }

    func put(_ content: [UInt8], as reference: StoredReference) async throws {
        arrival.yield()
        for await _ in gate {}
        store.put(content, as: reference)
    }

    func get(_ reference: StoredReference) async throws -> [UInt8] { try store.get(reference) }
    func release(_ reference: StoredReference) { store.release(reference) }
}
