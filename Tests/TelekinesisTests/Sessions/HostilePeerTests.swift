import Distributed
import MessagePack
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What other nodes may say to this one, by way of an honest hub. Whatever it is, it touches their own calls and nobody else's.
@Suite(.timeLimit(.minutes(1))) struct HostilePeerTests {
    private static let peer = NodeID(rawValue: 77)
    private static let stranger = NodeID(rawValue: 78)

    /// A node that serves, and waits for the answer to a call.
    private struct Stage {
        let hub: ScriptedHub
        let node: Node
        let key: ActorKey
        /// The call that it waits for.
        let waiting: Task<Int, any Error>
        let call: CallID

        init(_ change: (inout NodeConfiguration) -> Void = { _ in }) async throws {
            hub = try ScriptedHub()
            node = try await Node.connect(hub, change)
            try await node.publish(function: "one") { 1 }
            key = try hub.publishedKey()
            let simple = try await node.resolve("simple", as: Simple.self)
            _ = hub.take(.call)
            waiting = Task { try await simple.answer() }
            call = try await hub.find(.call).call
        }

        /// Its session is as it was: it is called, and the answer that it waits for is taken.
        func isUndisturbed() async throws {
            hub.call(key, id: 1_000, from: 5)
            #expect(try await hub.answer(to: 1_000).error == nil)
            hub.send(HostilePeerTests.reply(to: call, from: HostilePeerTests.peer, body: [0, 42]))
            #expect(try await waiting.value == 42)
            #expect(hub.joins == 1)
            #expect(node.session.state.withLock { $0.pending.count } == 0)
            await node.close()
        }
    }

    private static func reply(to call: CallID, from peer: NodeID, flags: ReplyFlags = .routed, body: [UInt8]) -> [UInt8] {
        FrameWriter.frame(.reply, flags: flags.rawValue, peer: peer, call: call, body: body)
    }

    @Test func answersOfThoseWhoWereNotAskedAreDropped() async throws {
        let stage = try await Stage()
        let hub = stage.hub
        // To no call, and to one that others were asked: the flag is the hub's, and it does not set it for these.
        for id in [stage.call, stage.call + 1, 0, .max] {
            hub.send(Self.reply(to: id, from: Self.stranger, flags: [], body: [0, 1]))
            hub.send(Self.reply(to: id, from: Self.stranger, flags: .more, body: [0, 1]))
            hub.send(Self.reply(to: id, from: Self.stranger, flags: .error(ran: .no), body: [0]))
            hub.send(FrameWriter.data(flags: [.towardsCaller, .last], peer: Self.stranger, call: id, bytes: [1]))
            hub.send(FrameWriter.data(flags: [.towardsCaller, .last], peer: Self.stranger, call: id, channel: Channel.stream, bytes: [1]))
        }
        try await stage.isUndisturbed()
        // Twice is once too often, and too late.
        let second = try await Stage()
        second.hub.send(Self.reply(to: second.call, from: Self.peer, body: [0, 7]))
        second.hub.send(Self.reply(to: second.call, from: Self.peer, body: [0, 8]))
        #expect(try await second.waiting.value == 7)
        #expect(second.hub.joins == 1)
        await second.node.close()
    }

    @Test(arguments: [[], [0xff], [9, 0], [0xff, 0xff, 0], [1, 0, 1, 2, 3]] as [[UInt8]])
    func aTableOfReferencesThatIsNoneEndsNoSession(_ table: [UInt8]) async throws {
        let stage = try await Stage()
        for id in [stage.call, 5_000] {
            stage.hub.send(Self.reply(to: id, from: Self.stranger, flags: .references, body: table))
            stage.hub.send(Self.reply(to: id, from: Self.stranger, flags: [.references, .more], body: table))
            let flags: ChannelFlags = [.towardsCaller, .references]
            stage.hub.send(FrameWriter.data(flags: flags, peer: Self.stranger, call: id, channel: Channel.stream, bytes: table[...]))
        }
        try await stage.isUndisturbed()
        // Of the one who was asked it is the answer, such as it is.
        let second = try await Stage()
        second.hub.send(Self.reply(to: second.call, from: Self.peer, flags: [.references, .routed], body: table))
        let error = await #expect(throws: TelekinesisError.self) { try await second.waiting.value }
        #expect(error?.code == .badResult && second.hub.joins == 1)
        await second.node.close()
    }

    @Test func dataBeyondItsCreditEndsACallAndNothingElse() async throws {
        let stage = try await Stage()
        let (hub, node) = (stage.hub, stage.node)
        let other = Task { try await node.resolve("simple", as: Simple.self).answer() }
        let id = try await hub.find(.call) { $0.callFlags.contains(.route) }.call
        let part = [UInt8](repeating: 0, count: FrameHead.maximumBody)
        hub.send(Self.reply(to: id, from: Self.peer, flags: [.more, .routed], body: part))
        // The credit that comes back for these is what an honest provider would wait for.
        for _ in 0..<40 { hub.send(FrameWriter.data(flags: .towardsCaller, peer: Self.peer, call: id, bytes: part[...])) }
        let bytes = node.session.state.withLock { $0.pending.partialBytes }
        #expect(bytes <= 41 * part.count)
        other.cancel()
        _ = await other.result
        try await stage.isUndisturbed()
    }

    @Test func cancellationsAndReleasesOfOthersReachNothing() async throws {
        let stage = try await Stage()
        let (hub, node) = (stage.hub, stage.node)
        let gate = Held()
        try await node.publish(function: "slow") {
            await gate.wait()
            return 2
        }
        let key = try hub.publishedKey()
        hub.call(key, id: 3, from: Self.peer.rawValue)
        try await eventually { gate.count == 1 }
        // Of a call that is unknown, another's, or was answered long ago.
        for (peer, id) in [(Self.stranger, 3), (Self.peer, 4), (Self.stranger, 9)] as [(NodeID, CallID)] {
            hub.send(FrameWriter.frame(.cancel, peer: peer, call: id))
            hub.send(FrameWriter.credit(flags: .towardsCaller, peer: peer, call: id, amount: .max))
            hub.send(FrameWriter.credit(flags: [], peer: peer, call: id, amount: .max))
            hub.send(FrameWriter.credit(flags: .towardsCaller, peer: peer, call: id, channel: Channel.stream, amount: .max))
            hub.send(FrameWriter.data(flags: .last, peer: peer, call: id, bytes: [1, 2, 3]))
        }
        // What is published nobody holds, so nobody can let go of it; and keys that nobody has are no news.
        for count: UInt32 in [0, 1, .max] {
            hub.send(FrameWriter.release(key, of: Self.stranger, count: count))
            hub.send(FrameWriter.release(key, of: Self.peer, count: count))
            hub.send(FrameWriter.release(.random(), of: Self.peer, count: count))
            hub.send(FrameWriter.release(.control, of: Self.peer, count: count))
        }
        gate.open()
        #expect(try await hub.answer(to: 3).error == nil)
        hub.call(key, id: 4, from: Self.stranger.rawValue)
        #expect(try await hub.answer(to: 4).error == nil)
        try await stage.isUndisturbed()
    }

    @Test func aMillionReleasesOfWhatNobodyHasTakeBoundedMemory() async throws {
        let stage = try await Stage { $0.maximumHeldObjects = 1_000 }
        for number in 0..<1_000_000 as Range<UInt64> {
            stage.hub.send(FrameWriter.release(ActorKey(low: number, high: 1), of: Self.peer, count: 1))
        }
        #expect(stage.node.session.incoming.registry.heldCount == 1_000)
        stage.hub.send(FrameWriter.frame(.gone, peer: Self.peer, call: 1))
        #expect(stage.node.session.incoming.registry.heldCount == 0)
        try await stage.isUndisturbed()
    }

    /// The peer begins to read the stream that a function returns which was just published.
    private static func open(_ id: CallID, at hub: ScriptedHub) async throws {
        hub.call(try hub.publishedKey(), id: 2, from: peer.rawValue)
        let answer = try await hub.answer(to: 2)
        // The stream is the one thing in the table of the answer.
        let source = answer.body.withUnsafeBytes { try? ReferenceTable.parse($0).entries.first?.key }
        hub.open(try #require(source ?? nil), id: id, from: peer.rawValue, window: 100)
    }

    @Test func sharesOfWhatNobodyHasAreNotNoted() async throws {
        let stage = try await Stage()
        for number in 0..<1_000 as Range<UInt64> {
            var frame = FrameWriter.share(ActorKey(low: number, high: 1), of: .hub, with: Self.stranger)
            frame.withUnsafeMutableBytes { FrameWriter.patch(peer: Self.peer, in: $0) }
            stage.hub.send(frame)
        }
        #expect(stage.node.session.incoming.registry.heldCount == 0)
        // Of what is there it is, and a share that was overtaken by the release settles that.
        for key in [stage.key, .random()] {
            if key != stage.key { stage.hub.send(FrameWriter.release(key, of: Self.stranger, count: 1)) }
            var frame = FrameWriter.share(key, of: .hub, with: Self.stranger)
            frame.withUnsafeMutableBytes { FrameWriter.patch(peer: Self.peer, in: $0) }
            stage.hub.send(frame)
            #expect(stage.node.session.incoming.registry.heldCount == 1)
        }
        try await stage.isUndisturbed()
    }

    @Test func aLongErrorEndsAStreamAndNothingElse() async throws {
        let stage = try await Stage()
        try await stage.node.publish(function: "numbers") {
            RemoteStream<Int> { _ in throw Wordy(words: String(repeating: "x", count: 70_000)) }
        }
        try await Self.open(3, at: stage.hub)
        let last = try await stage.hub.find(.data) { $0.call == 3 }
        #expect(last.channelFlags.contains([.last, .isError]))
        #expect(try MessagePackDecoder().decode(WireError.self, from: last.body).message.hasPrefix("xxx"))
        try await stage.isUndisturbed()
    }

    @Test func creditThatNobodyCouldWantEndsAStreamAndNothingElse() async throws {
        let stage = try await Stage()
        let (hub, node) = (stage.hub, stage.node)
        let ended = Held()
        try await node.publish(function: "numbers") {
            RemoteStream<Int> { send in
                defer { ended.open() }
                for number in 0... { try await send(number) }
            }
        }
        try await Self.open(3, at: hub)
        // It goes as far as it may.
        _ = try await hub.find(.data) { $0.call == 3 }
        for _ in 0..<3 {
            hub.send(
                FrameWriter.credit(flags: .towardsCaller, peer: Self.peer, call: 3, channel: Channel.stream, amount: 1 << 30))
        }
        let last = try await hub.find(.data) { $0.call == 3 && $0.channelFlags.contains(.last) }
        #expect(last.channelFlags.contains(.isError))
        let error = try MessagePackDecoder().decode(WireError.self, from: last.body)
        #expect(error.code == TelekinesisError.Code.protocolViolation.rawValue)
        await ended.wait()
        try await eventually { node.session.incoming.counts[0] == 0 }
        try await stage.isUndisturbed()
    }

    @Test func aWindowThatNobodyCouldWantOpensNoStream() async throws {
        let stage = try await Stage()
        let (hub, node) = (stage.hub, stage.node)
        try await node.publish(function: "numbers") { RemoteStream(0..<100) }
        hub.call(try hub.publishedKey(), id: 2, from: Self.peer.rawValue)
        let answer = try await hub.answer(to: 2)
        let source = answer.body.withUnsafeBytes { try? ReferenceTable.parse($0).entries.first?.key }
        hub.open(try #require(source ?? nil), id: 3, from: Self.peer.rawValue, window: .max)
        #expect(try await hub.answer(to: 3).error?.code == .badArguments)
        #expect(node.session.incoming.counts[0] == 0)
        try await stage.isUndisturbed()
    }

    @Test func framesOfAStreamThatNobodyReadsAreBoundedHoweverSmall() async throws {
        let stage = try await Stage()
        let (hub, node) = (stage.hub, stage.node)
        let stream = node.session.open(node.session.held(.random(), at: Self.peer), window: 1_000)
        for _ in 0..<100_000 {
            hub.send(FrameWriter.data(flags: .towardsCaller, peer: Self.peer, call: stream.call, channel: Channel.stream, bytes: [1]))
        }
        #expect(stream.heldBytes == 1_000)
        var pieces = 0
        while case .elements(let reader, _) = try await stream.next() { pieces += reader.position < reader.end ? 1 : 0 }
        #expect(pieces == 1)
        try await stage.isUndisturbed()
    }

    @Test func aStreamThatSendsMoreThanItMayEnds() async throws {
        let stage = try await Stage()
        let (hub, node) = (stage.hub, stage.node)
        let target = node.session.held(.random(), at: Self.peer)
        let stream = node.session.open(target, window: 1_000)
        let bytes = [UInt8](repeating: 1, count: 1_000)
        for _ in 0..<3 {
            hub.send(
                FrameWriter.data(flags: .towardsCaller, peer: Self.peer, call: stream.call, channel: Channel.stream, bytes: bytes[...]))
        }
        #expect(stream.heldBytes <= 1_000)
        // What came within the credit can be read, then it is over.
        var ends: [TelekinesisError.Code?] = []
        for _ in 0..<2 {
            if case .end(let error) = try await stream.next() { ends.append((error as? TelekinesisError)?.code) }
        }
        #expect(ends == [.protocolViolation])
        #expect(hub.take(.cancel).map(\.call) == [stream.call])
        try await stage.isUndisturbed()
    }

    /// With nothing in it a frame would cost its sender no credit; without entries, a table is as good as nothing.
    @Test(arguments: [([], []), ([0, 0, 1], .references)] as [([UInt8], ChannelFlags)])
    func aStreamThatSendsNothingEnds(_ body: [UInt8], _ flags: ChannelFlags) async throws {
        let stage = try await Stage()
        let (hub, node) = (stage.hub, stage.node)
        let stream = node.session.open(node.session.held(.random(), at: Self.peer), window: 1_000)
        for _ in 0..<3 {
            hub.send(
                FrameWriter.data(
                    flags: flags.union(.towardsCaller), peer: Self.peer, call: stream.call, channel: Channel.stream, bytes: body[...]))
        }
        guard case .end(let error) = try await stream.next() else {
            Issue.record("nothing has come")
            return
        }
        #expect((error as? TelekinesisError)?.code == .protocolViolation)
        #expect(hub.take(.cancel).map(\.call) == [stream.call])
        try await stage.isUndisturbed()
    }

    @Test func whatElementsHandOverIsGivenBackWhenTheyHaveBeenRead() async throws {
        let stage = try await Stage()
        let (hub, node) = (stage.hub, stage.node)
        let stream = node.session.open(node.session.held(.random(), at: Self.peer), window: 1_000)
        let keys = (0..<3).map { _ in ActorKey.random() }
        for key in keys {
            let bytes = ReferenceTable.bytes([(NodeID.hub, key)]) + [0]
            hub.send(
                FrameWriter.data(
                    flags: [.towardsCaller, .references], peer: Self.peer, call: stream.call, channel: Channel.stream, bytes: bytes[...]))
        }
        for key in keys {
            _ = try await stream.next()
            #expect(hub.take(.release).map(\.releasedKey) == [key])
        }
        stream.cancel()
        try await stage.isUndisturbed()
    }
}

/// Holds whoever comes until it is opened.
private final class Held: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    var count: Int { state.withLock { $0.waiting.count } }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            defer { state = (true, []) }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
