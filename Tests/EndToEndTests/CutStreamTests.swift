import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Connections that are lost in the middle of streams, after each number of messages, in both directions, at the source and at the reader.
@Suite(.timeLimit(.minutes(2))) struct CutStreamTests {
    /// Which connection is lost, and in which direction the last message goes.
    enum Cut: CaseIterable {
        case atTheSourceSending, atTheSourceHearing, atTheReaderSending, atTheReaderHearing

        var isAtTheSource: Bool { self == .atTheSourceSending || self == .atTheSourceHearing }
        var isTowardsHub: Bool { self == .atTheSourceSending || self == .atTheReaderSending }
    }

    private struct Stage {
        let hub: Hub
        let way: FaultyHub
        let provider: Node
        let caller: Node

        init(_ cut: Cut) async throws {
            hub = try await startHub()
            way = try FaultyHub(hub)
            provider = try await cut.isAtTheSource ? way.connect() : hub.connect()
            caller = try await cut.isAtTheSource ? hub.connect() : way.connect()
            try await provider.publish(Camera(on: provider), as: "demo/camera")
        }

        /// Everything goes on, and nothing is left of what was cut off.
        func isAsGoodAsNew() async throws {
            way.mend()
            // The loss may come to light just now.
            try await eventually {
                let camera = try? await caller.resolve("demo/camera", as: Camera.self, waitingUpTo: .seconds(1))
                return (try? await camera?.sum(RemoteStream(0..<3))) == 3
            }
            try await eventually {
                [provider, caller].allSatisfy { node in
                    node.session.incoming.state.withLock { $0.streams.count == 0 && $0.running.isEmpty }
                        && node.session.state.withLock { $0.streams.isEmpty && $0.pending.count == 0 && $0.handedOver.isEmpty }
                        && node.session.incoming.registry.heldCount == 0
                } && hub.statistics.openCalls == 0
            }
            await caller.close()
            await provider.close()
            await hub.stop()
        }
    }

    private static let cuts = [0, 1, 2, 3, 5, 8, 13, 21]

    @Test(arguments: Cut.allCases, cuts)
    func aReaderGetsTheBeginningInOrderAndThenTheLoss(_ cut: Cut, after messages: Int) async throws {
        let stage = try await Stage(cut)
        try await Self.read(stage, cut, after: messages)
        try await stage.isAsGoodAsNew()
    }

    /// A function of its own: iterators live as long as theirs.
    private static func read(_ stage: Stage, _ cut: Cut, after messages: Int) async throws {
        let camera = try await stage.caller.resolve("demo/camera", as: Camera.self)
        var iterator = try await camera.numbers(to: 300_000).makeAsyncIterator()
        var next = 0
        do {
            while let number = try await iterator.next() {
                if number != next { Issue.record("\(number) came after \(next - 1)") }
                next += 1
                if next == 1 { stage.way.cut(after: messages, towardsHub: cut.isTowardsHub) }
            }
            // The cut came after the end.
            #expect(next == 300_000)
        } catch let error as TelekinesisError {
            #expect(error.code == .disconnected)
            // An end that was heard is the last word.
            let last = try await iterator.next()
            #expect(last == nil)
        }
    }

    @Test(arguments: Cut.allCases, cuts)
    func aStreamThatIsAnArgumentEndsItsCall(_ cut: Cut, after messages: Int) async throws {
        let stage = try await Stage(cut)
        let camera = try await stage.caller.resolve("demo/camera", as: Camera.self)
        let way = stage.way
        let numbers = RemoteStream<Int> { send in
            for number in 0..<300_000 {
                try await send(number)
                if number == 0 { way.cut(after: messages, towardsHub: cut.isTowardsHub) }
            }
        }
        do {
            #expect(try await camera.sum(numbers) == 300_000 * 299_999 / 2)
        } catch let error as TelekinesisError {
            #expect(error.code == .disconnected)
        }
        try await stage.isAsGoodAsNew()
    }

    @Test(arguments: Cut.allCases, [0, 1, 2, 5, 13, 34])
    func aLargeElementIsWholeOrNotThere(_ cut: Cut, after messages: Int) async throws {
        let stage = try await Stage(cut)
        let camera = try await stage.caller.resolve("demo/camera", as: Camera.self)
        var count = 0
        do {
            for try await frame in try await camera.frames(of: 500_000, count: 8) {
                #expect(frame == [UInt8](repeating: UInt8(count), count: 500_000))
                count += 1
                if count == 1 { stage.way.cut(after: messages, towardsHub: cut.isTowardsHub) }
            }
            #expect(count == 8)
        } catch let error as TelekinesisError {
            #expect(error.code == .disconnected && count < 8)
        }
        try await stage.isAsGoodAsNew()
    }
}
