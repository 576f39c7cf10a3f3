import Distributed
import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Streams as results and arguments, through a real hub.
@Suite(.timeLimit(.minutes(1))) struct StreamTests {
    struct Stage {
        let hub: Hub
        let provider: Node
        let caller: Node
        let camera: Camera
        let watch = Watch()
        let sent = Count()

        init(_ change: (inout NodeConfiguration) -> Void = { _ in }) async throws {
            hub = try await startHub()
            provider = try await hub.connect(change)
            caller = try await hub.connect()
            try await provider.publish(Camera(on: provider, watch, sent: sent), as: "demo/camera")
            camera = try await caller.resolve("demo/camera", as: Camera.self)
        }

        /// Whether nothing is open or held at either node.
        var isClean: Bool {
            [provider, caller].allSatisfy { node in
                node.session.incoming.state.withLock { $0.streams.count == 0 && $0.running.isEmpty }
                    && node.session.state.withLock { $0.streams.isEmpty && $0.pending.count == 0 && $0.handedOver.isEmpty }
                    && node.session.incoming.registry.heldCount == 0
            }
        }
    }

    @Test func elementsArriveInOrderAndTheStreamEnds() async throws {
        let stage = try await Stage()
        var numbers: [Int] = []
        for try await number in try await stage.camera.numbers(to: 100_000) { numbers.append(number) }
        #expect(numbers == Array(0..<100_000))
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func anEmptyStreamEnds() async throws {
        let stage = try await Stage()
        for try await _ in try await stage.camera.numbers(to: 0) { Issue.record("there is no element") }
        await stage.hub.stop()
    }

    @Test func aStreamIsAnArgument() async throws {
        let stage = try await Stage()
        #expect(try await stage.camera.sum(RemoteStream(1...1000)) == 500_500)
        let (stream, continuation) = AsyncStream<Int>.makeStream()
        async let sum = stage.camera.sum(RemoteStream(stream))
        for number in 1...10 { continuation.yield(number) }
        continuation.finish()
        #expect(try await sum == 55)
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func streamsGoBothWaysAtOnce() async throws {
        let stage = try await Stage()
        var doubled: [Int] = []
        for try await number in try await stage.camera.doubled(RemoteStream(0..<10_000)) { doubled.append(number) }
        #expect(doubled == (0..<10_000).map { 2 * $0 })
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func anElementComesAtOnceWhenTheProducerPauses() async throws {
        let stage = try await Stage()
        let iterator = try await stage.camera.pausing().makeAsyncIterator()
        var mine = iterator
        #expect(try await mine.next() == 1)
        await stage.hub.stop()
    }

    @Test func whatTheSourceThrowsTheReaderThrows() async throws {
        let stage = try await Stage()
        var texts: [String] = []
        await #expect(throws: Trouble(message: "film is out")) {
            for try await text in try await stage.camera.failing(after: 3) { texts.append(text) }
        }
        #expect(texts == ["0", "1", "2"])
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func aReaderThatStopsCancelsTheSource() async throws {
        let stage = try await Stage()
        for try await number in try await stage.camera.endless() where number > 1000 { break }
        try await eventually(within: .seconds(1)) { stage.watch.cancelledCount == 1 && stage.isClean }
        let task = Task { [camera = stage.camera] in
            for try await _ in try await camera.pausing() {}
        }
        try await eventually { stage.provider.session.incoming.state.withLock { $0.streams.count } == 1 }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func aStreamThatNobodyReadsIsReleased() async throws {
        let stage = try await Stage()
        _ = try await stage.camera.endless()
        try await stage.camera.ignore(RemoteStream(0..<3))
        try await eventually(within: .seconds(1)) { stage.isClean }
        #expect(stage.watch.enteredCount == 0)
        await stage.hub.stop()
    }

    @Test func aStreamIsReadOnce() async throws {
        let stage = try await Stage()
        let numbers = try await stage.camera.numbers(to: 3)
        for try await _ in numbers {}
        await #expect(throws: TelekinesisError.self) { for try await _ in numbers {} }
        let own = RemoteStream(0..<3)
        #expect(try await stage.camera.sum(own) == 3)
        await #expect(throws: TelekinesisError.self) { try await stage.camera.sum(own) }
        await #expect(throws: TelekinesisError.self) { for try await _ in own {} }
        // A received one cannot be handed on; its elements can.
        let error = try await failure { try await stage.camera.sum(stage.camera.numbers(to: 3)) }
        #expect(error.code == .invalidUse)
        #expect(try await stage.camera.sum(RemoteStream(stage.camera.numbers(to: 3))) == 3)
        await stage.hub.stop()
    }

    @Test func streamsTravelWithinValues() async throws {
        let stage = try await Stage()
        let pair = try await stage.camera.pair()
        var texts: [String] = []
        for try await text in pair.texts { texts.append(text) }
        var numbers: [Int] = []
        for try await number in pair.numbers { numbers.append(number) }
        #expect(texts == ["a", "b"] && numbers == [0, 1, 2])
        await stage.hub.stop()
    }

    @Test func elementsMayBeObjects() async throws {
        let stage = try await Stage()
        var names: [String] = []
        for try await person in try await stage.camera.people() { names.append(try await person.name()) }
        #expect(names == ["Ann", "Bob"])
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func objectsThatComeWhenNobodyReadsAnyMoreAreGivenBack() async throws {
        for _ in 0..<20 {
            let stage = try await Stage()
            for try await person in try await stage.camera.crowd() {
                _ = try await person.name()
                break
            }
            try await eventually(within: .seconds(2)) { stage.isClean }
            #expect(stage.sent.value > 1)
            await stage.hub.stop()
        }
    }

    @Test func anElementThatDoesNotFitEndsItsStreamAndNothingElse() async throws {
        let stage = try await Stage()
        let wrong = try await stage.caller.resolve("demo/camera", as: $WrongCamera.self)
        await #expect(throws: TelekinesisError.self) { for try await _ in try await wrong.numbers(to: 5) {} }
        #expect(try await stage.camera.sum(RemoteStream(0..<3)) == 3)
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test(arguments: [200_000, 5_000_000]) func largeElementsArrive(size: Int) async throws {
        let stage = try await Stage()
        var count = 0
        for try await frame in try await stage.camera.frames(of: size, count: 6) {
            #expect(frame == [UInt8](repeating: UInt8(count), count: size))
            count += 1
        }
        #expect(count == 6)
        await stage.hub.stop()
    }

    @Test func aSlowReaderHoldsAWindowAndNoMore() async throws {
        let stage = try await Stage()
        var iterator = try await stage.camera.frames(of: 100_000, count: 1_000).buffering(bytes: 256 * 1024).makeAsyncIterator()
        _ = try await iterator.next()
        var last = -1
        // Nothing moves any more.
        try await eventually {
            defer { last = stage.sent.value }
            try await Task.sleep(for: .milliseconds(50))
            return stage.sent.value == last
        }
        let held = stage.caller.session.state.withLock { $0.streams.values.map(\.heldBytes) }
        let waiting = stage.provider.session.incoming.state.withLock { $0.streams.all.values.map(\.waitingBytes) }
        #expect(held.allSatisfy { $0 <= 512 * 1024 } && waiting.allSatisfy { $0 <= 256 * 1024 })
        #expect(stage.sent.value < 10)
        var rest = 0
        while try await iterator.next() != nil { rest += 1 }
        #expect(rest == 999)
        await stage.hub.stop()
    }

    @Test func theProvidersEndEndsItsStreams() async throws {
        let stage = try await Stage()
        let task = Task { [camera = stage.camera] in
            for try await _ in try await camera.pausing() {}
        }
        try await eventually { stage.provider.session.incoming.state.withLock { $0.streams.count } == 1 }
        await stage.provider.close()
        let error = try await failure { try await task.value }
        #expect(error.code == .disconnected)
        await stage.hub.stop()
    }

    @Test(arguments: [false, true]) func aShutdownDoesNotWaitForStreams(thatEndWhenTheyAreCancelled ends: Bool) async throws {
        let stage = try await Stage()
        let task = Task { [camera = stage.camera] in
            for try await _ in try await ends ? camera.listening() : camera.pausing() {}
        }
        try await eventually { stage.provider.session.incoming.state.withLock { $0.streams.count } == 1 }
        let start = ContinuousClock.now
        await stage.provider.shutdown()
        #expect(ContinuousClock.now - start < .seconds(10))
        let error = try await failure { try await task.value }
        #expect(error.code == .draining)
        await stage.hub.stop()
    }

    @Test func aThousandStreamsAtOnce() async throws {
        let stage = try await Stage()
        try await withThrowingTaskGroup { group in
            for _ in 0..<1_000 {
                group.addTask {
                    var sum = 0
                    for try await number in try await stage.camera.numbers(to: 100) { sum += number }
                    return sum
                }
            }
            for try await sum in group { #expect(sum == 4950) }
        }
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func moreStreamsThanAllowedAreRefused() async throws {
        let stage = try await Stage { $0.maximumStreams = 2 }
        // Iterators live as long as their function.
        func readThree() async throws -> TelekinesisError {
            var (first, second, third) = (
                try await stage.camera.endless().makeAsyncIterator(), try await stage.camera.endless().makeAsyncIterator(),
                try await stage.camera.endless().makeAsyncIterator()
            )
            _ = try await (first.next(), second.next())
            return try await failure { try await third.next() }
        }
        #expect(try await readThree().code == .overloaded)
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func aStreamIsReadWhereItIsMade() async throws {
        let stage = try await Stage()
        let camera = Camera(on: stage.provider, stage.watch)
        #expect(try await camera.sum(RemoteStream(0..<100)) == 4950)
        for try await number in try await camera.endless() where number > 100 { break }
        try await eventually(within: .seconds(1)) { stage.watch.cancelledCount == 1 }
        await stage.hub.stop()
    }
}
