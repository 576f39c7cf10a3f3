import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Results that come in parts, and do not all come to an end.
@Suite(.timeLimit(.minutes(1))) struct PartialResultTests {
    private let mebibyte = 1024 * 1024

    private func result(_ size: Int) -> PendingCalls.IncomingResult {
        .init(
            transfer: IncomingTransfer([UInt8](repeating: 0, count: size), limit: .max), flags: .routed, source: NodeID(rawValue: 9),
            received: nil)
    }

    private func append(_ size: Int, to id: CallID, from source: UInt64 = 9, of calls: inout PendingCalls) throws -> UInt32? {
        let result = [UInt8](repeating: 1, count: size).withUnsafeBytes { part in
            Result { () throws(TelekinesisError) in try calls.append(part, to: id, from: NodeID(rawValue: source), limit: 100) }
        }
        return try result.get()
    }

    private func entry(deadline: UInt64 = .max) -> PendingCalls.Entry {
        .init(completion: .callback { _ in }, peer: .hub, deadline: deadline, deadlineWasChosen: false, wasSent: true)
    }

    @Test func bytesAreCountedUntilTheirCallEndsInWhateverWay() throws {
        var calls = PendingCalls()
        for id: CallID in 1...4 {
            _ = calls.insert(id, entry(deadline: id == 3 ? 5 : .max))
            try calls.begin(result(10), of: id, limit: 100)
        }
        #expect(calls.partialBytes == 40)
        #expect(try append(7, to: 1, of: &calls) == 0)
        // Not from elsewhere, and not of a call that is over.
        #expect(try append(7, to: 1, from: 8, of: &calls) == nil)
        #expect(try append(7, to: 7, of: &calls) == nil)
        #expect(calls.partialBytes == 47)
        // A second beginning does not take the place of the first.
        try calls.begin(result(50), of: 1, limit: 100)
        #expect(calls.partialBytes == 47)
        _ = calls.finish(1)
        #expect(calls.partialBytes == 30)
        #expect(calls.reply(to: 2, from: NodeID(rawValue: 9), .routed) != nil)
        #expect(calls.expire(at: 5).map(\.id) == [3])
        #expect(calls.partialBytes == 10)
        _ = calls.removeAll { _ in true }
        #expect(calls.partialBytes == 0)
    }

    @Test func whatDoesNotFitIsRefusedByTheNameOfTheLimit() throws {
        var calls = PendingCalls()
        for id: CallID in 1...2 { _ = calls.insert(id, entry()) }
        try calls.begin(result(60), of: 1, limit: 100)
        let error = #expect(throws: TelekinesisError.self) { try calls.begin(result(41), of: 2, limit: 100) }
        #expect(error?.code == .overloaded && error?.ran == .yes)
        #expect(error?.message.contains("maximumPartialResultBytes") == true)
        try calls.begin(result(40), of: 2, limit: 100)
        #expect(throws: TelekinesisError.self) { try append(1, to: 1, of: &calls) }
        #expect(calls.partialBytes == 100)
    }

    @Test func aNodeHoldsNoMoreOfThemThanItMay() async throws {
        let hub = try ScriptedHub()
        let node = try await Node.connect(hub) {
            $0.maximumPartialResultBytes = 3 * mebibyte
            $0.maximumValue = 2 * mebibyte
        }
        let counter = try await node.resolve("simple", as: Simple.self)
        let calls = (0..<10).map { _ in Task { try await counter.answer() } }
        var heard: [CallID] = []
        while heard.count < 10 {
            heard += hub.take(.call).filter { $0.callFlags.contains(.route) }.map(\.call)
            await Task.yield()
        }
        // Each result begins, and goes on for a while; none ends.
        let provider = NodeID(rawValue: 77)
        let part = [UInt8](repeating: 0, count: FrameHead.maximumBody)
        for id in heard {
            let flags: ReplyFlags = [.more, .routed]
            hub.send(FrameWriter.frame(.reply, flags: flags.rawValue, peer: provider, call: id, body: part))
            for _ in 0..<9 { hub.send(FrameWriter.data(flags: .towardsCaller, peer: provider, call: id, bytes: part[...])) }
        }
        let limit = 3 * mebibyte
        #expect(node.session.state.withLock { $0.pending.partialBytes } <= limit)
        // Four fit, and go on; the others know why they do not, and their provider is told.
        let cancelled = hub.take(.cancel).map(\.call)
        #expect(cancelled.count >= 5 && Set(cancelled).count == cancelled.count)
        #expect(node.session.state.withLock { $0.pending.count } == 10 - cancelled.count)
        hub.send(FrameWriter.frame(.gone, peer: provider, call: 1))
        hub.cut()
        var codes: [TelekinesisError.Code] = []
        for call in calls {
            let error = await #expect(throws: TelekinesisError.self) { try await call.value }
            if let error { codes.append(error.code) }
        }
        #expect(codes.count { $0 == .overloaded } == cancelled.count)
        #expect(node.session.state.withLock { $0.pending.partialBytes } == 0)
        await node.close()
    }
}
