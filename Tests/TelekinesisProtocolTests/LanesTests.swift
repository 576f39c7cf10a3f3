import Testing

@testable import TelekinesisProtocol

@Suite struct LanesTests {
    static func frame(_ size: Int, call: CallID) -> [UInt8] {
        FrameWriter.frame(.data, call: call, body: [UInt8](repeating: 7, count: size - 32))
    }

    /// The call ids of the frames in a message, in order, and the number of its first frame.
    static func read(_ next: OutgoingMessage?) throws -> (calls: [CallID], first: UInt64, received: UInt64) {
        let queued = try #require(next)
        #expect(queued.start == 16)
        let bytes = Array(queued.bytes[queued.start...] + (queued.tail ?? []))
        return try bytes.withUnsafeBytes { memory in
            let head = try Batch.head(of: memory)
            var rest = UnsafeRawBufferPointer(rebasing: memory[Batch.headSize...])
            var calls: [CallID] = []
            while !rest.isEmpty {
                let frame = try Frame(checking: rest)
                calls.append(frame.call)
                rest = UnsafeRawBufferPointer(rebasing: rest[frame.bytes.count...])
            }
            return (calls, head.first, head.received)
        }
    }

    @Test func framesLeaveInOneNumberedMessage() throws {
        var lanes = Lanes(transportHeadroom: 16)
        for call in 1...3 { Self.frame(100, call: CallID(call)).withUnsafeBytes { lanes.append($0, to: .urgent) } }
        #expect(lanes.queuedBytes == 300)
        let message = try Self.read(lanes.next(received: 5))
        #expect(message.calls == [1, 2, 3])
        #expect(message.first == 0)
        #expect(message.received == 5)
        #expect(lanes.isEmpty)
        #expect(lanes.next(received: 5) == nil)
        Self.frame(100, call: 4).withUnsafeBytes { lanes.append($0, to: .urgent) }
        do {
            let message = try Self.read(lanes.next(received: 0))
            #expect(message.first == 3)
        }
    }

    @Test func urgentFrameOvertakesABulkTransferAfterAtMost64KiB() throws {
        var lanes = Lanes(transportHeadroom: 16)
        for call in 1...64 { Self.frame(32 * 1024, call: CallID(call)).withUnsafeBytes { lanes.append($0, to: .bulk) } }
        do {
            let message = try Self.read(lanes.next(received: 0))
            #expect(message.calls == [1, 2])
        }
        Self.frame(64, call: 1000).withUnsafeBytes { lanes.append($0, to: .urgent) }
        do {
            let message = try Self.read(lanes.next(received: 0))
            #expect(message.calls == [1000])
        }
        do {
            let message = try Self.read(lanes.next(received: 0))
            #expect(message.calls == [3, 4])
        }
    }

    @Test func dataNeverOvertakesTheCallItBelongsTo() throws {
        var lanes = Lanes(transportHeadroom: 16)
        Self.frame(64, call: 1).withUnsafeBytes { lanes.append($0, to: .urgent) }
        _ = lanes.next(received: 0)
        Self.frame(64, call: 2).withUnsafeBytes { lanes.append($0, to: .urgent) }
        Self.frame(64, call: 3).withUnsafeBytes { lanes.append($0, to: .bulk) }
        let first = lanes.next(received: 0)
        let second = lanes.next(received: 0)
        #expect(try Self.read(first).calls == [2])
        #expect(try Self.read(second).calls == [3])
    }

    @Test func bulkIsNotStarvedByUrgentFrames() throws {
        var lanes = Lanes(transportHeadroom: 16)
        Self.frame(1024, call: 7).withUnsafeBytes { lanes.append($0, to: .bulk) }
        var order: [CallID] = []
        for _ in 0..<4 {
            Self.frame(64, call: 1).withUnsafeBytes { lanes.append($0, to: .urgent) }
            order += try Self.read(lanes.next(received: 0)).calls
        }
        #expect(order.contains(7))
    }

    @Test func aMessageHoldsAtMost64KiBAndOneFrame() throws {
        var lanes = Lanes(transportHeadroom: 16)
        for call in 0..<40 { Self.frame(60 * 1024, call: CallID(call)).withUnsafeBytes { lanes.append($0, to: .urgent) } }
        var calls: [CallID] = []
        while let queued = lanes.next(received: 0) {
            #expect(queued.count <= 64 * 1024 + FrameHead.maximumFrame + Batch.headSize)
            let message = try Self.read(queued)
            #expect(message.first == UInt64(calls.count))
            calls += message.calls
        }
        #expect(calls == (0..<40).map { CallID($0) })
    }

    @Test func patchChangesOnlyTheQueuedCopy() throws {
        var lanes = Lanes(transportHeadroom: 16)
        let frame = FrameTests.callFrame()
        frame.withUnsafeBytes { lanes.append($0, to: .urgent, patch: FramePatch(peer: NodeID(rawValue: 99))) }
        let next = lanes.next(received: 0)
        let queued = try #require(next)
        try look(queued.bytes[(queued.start + Batch.headSize)...]) { #expect($0.peer == NodeID(rawValue: 99)) }
        try look(frame) { #expect($0.peer == NodeID(rawValue: 7)) }
    }

    @Test func longTailWaitsUncopiedAndShortOneIsCopied() throws {
        var lanes = Lanes(transportHeadroom: 16)
        let value = [UInt8](repeating: 5, count: 128 * 1024)
        let parts = [value[..<65_536], value[65_536..<65_636], value[65_636..<131_072]]
        for (call, part) in parts.enumerated() {
            var head = [UInt8](repeating: 0, count: FrameType.data.headSize)
            head.withUnsafeMutableBytes {
                FrameWriter.dataHead(over: $0, tail: part.count, flags: [], peer: .hub, call: CallID(call))
            }
            head.withUnsafeBytes { lanes.append($0, tail: part) }
        }
        #expect(lanes.queuedBytes == value.count + 3 * FrameType.data.headSize)
        var calls: [CallID] = []
        for part in [parts[0], parts[2]] {
            let next = lanes.next(received: 0)
            let message = try #require(next)
            calls += try Self.read(next).calls
            let tail = try #require(message.tail)
            #expect(tail.withUnsafeBytes { $0.baseAddress } == part.withUnsafeBytes { $0.baseAddress })
            #expect(tail.count == part.count)
        }
        #expect(calls == [0, 1, 2])
        #expect(lanes.isEmpty)
    }

    @Test func messagesAreGatheredInOrderUpToABound() throws {
        var lanes = Lanes(transportHeadroom: 16)
        for call in 1...16 { Self.frame(64 * 1024, call: CallID(call)).withUnsafeBytes { lanes.append($0, to: .bulk) } }
        Self.frame(64, call: 1000).withUnsafeBytes { lanes.append($0, to: .urgent) }
        var messages: [OutgoingMessage] = []
        lanes.gather(into: &messages, received: 0)
        let size = messages.reduce(0) { $0 + $1.count }
        #expect(size >= Lanes.gatheredSize && size < Lanes.gatheredSize + 64 * 1024 + Batch.headSize)
        #expect(try messages.flatMap { try Self.read($0).calls } == [1000] + Array(1...8))
        lanes.recycle(&messages)
        #expect(messages.isEmpty)
        // What becomes urgent meanwhile goes in front of what was not gathered.
        Self.frame(64, call: 1001).withUnsafeBytes { lanes.append($0, to: .urgent) }
        lanes.gather(into: &messages, received: 0)
        #expect(try messages.flatMap { try Self.read($0).calls }.prefix(2) == [1001, 9])
        lanes.recycle(&messages)
        for call in 20...23 { Self.frame(64 * 1024, call: CallID(call)).withUnsafeBytes { lanes.append($0, to: .bulk) } }
        lanes.gather(into: &messages, received: 0, limit: 1)
        #expect(try messages.flatMap { try Self.read($0).calls } == [20])
    }
}
