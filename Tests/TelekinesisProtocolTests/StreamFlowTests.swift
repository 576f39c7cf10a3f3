import Testing

@testable import TelekinesisProtocol

/// The two ends of a stream by themselves.
@Suite struct StreamFlowTests {
    /// Brings what may leave to the other end.
    private func move(_ out: inout StreamOutflow, _ into: inout StreamInflow) throws -> UInt32 {
        var granted: UInt32 = 0
        while let part = out.next() {
            granted += try receive(part.body, part.flags, &into)
        }
        return granted
    }

    @discardableResult
    private func receive(_ body: ArraySlice<UInt8>, _ flags: ChannelFlags, _ into: inout StreamInflow) throws -> UInt32 {
        try body.withUnsafeBytes { bytes in
            do throws(TelekinesisError) { return try into.receive(bytes, flags) } catch { throw error as any Error }
        }
    }

    @Test func elementsShareABatchUntilItIsFull() throws {
        var out = StreamOutflow(window: 1 << 20)
        for _ in 0..<3 { out.append([1, 2]) }
        let part = out.next()
        #expect(part.map { Array($0.body) } == [1, 2, 1, 2, 1, 2] && part?.flags == [])
        let rest = out.next()
        #expect(rest == nil && out.isEmpty)
        out.append([UInt8](repeating: 1, count: 60_000))
        out.append([UInt8](repeating: 2, count: 60_000))
        let sizes = [out.next(), out.next()].map { $0?.body.count }
        #expect(sizes == [60_000, 60_000])
    }

    @Test func aLargeElementTravelsAloneInPieces() throws {
        var out = StreamOutflow(window: 1 << 20)
        var into = StreamInflow(window: 1 << 20, limit: 1 << 20)
        out.append([9])
        out.append([UInt8](repeating: 7, count: 200_000))
        out.append([8])
        #expect(try move(&out, &into) == 0)
        let chunks = [into.take(), into.take(), into.take(), into.take()].map { $0?.chunk.bytes }
        #expect(chunks == [[9], [UInt8](repeating: 7, count: 200_000), [8], nil])
    }

    @Test func nothingLeavesWithoutCreditAndTheLastFrameMayTakeMore() throws {
        var out = StreamOutflow(window: 10)
        out.append([UInt8](repeating: 1, count: 15))
        #expect(!out.hasRoom)
        var sizes = [out.next()?.body.count]
        out.append([2])
        sizes.append(out.next()?.body.count)
        try out.grant(5)
        sizes.append(out.next()?.body.count)
        try out.grant(1)
        sizes.append(out.next()?.body.count)
        #expect(sizes == [15, nil, nil, 1])
    }

    @Test func creditIsGrantedAsTheReaderTakes() throws {
        var out = StreamOutflow(window: 100)
        var into = StreamInflow(window: 100, limit: 1000)
        for _ in 0..<20 {
            out.append([UInt8](repeating: 0, count: 30))
            _ = try move(&out, &into)
        }
        #expect(into.heldBytes < 130 + 30)
        var taken = 0
        while let (chunk, grant) = into.take() {
            taken += chunk.bytes.count
            try out.grant(grant)
            _ = try move(&out, &into)
        }
        #expect(taken == 600 && out.isEmpty)
    }

    @Test func anElementLargerThanTheWindowArrives() throws {
        var out = StreamOutflow(window: 1)
        var into = StreamInflow(window: 1, limit: 1 << 20)
        out.append([UInt8](repeating: 3, count: 500_000))
        var rounds = 0
        while !into.hasChunk, rounds < 100 {
            try out.grant(try move(&out, &into))
            rounds += 1
        }
        let chunk = into.take()?.chunk
        #expect(chunk?.bytes.count == 500_000)
    }

    /// Whatever the sizes, all arrives, and never more than a window and an element are held.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func everythingArrivesWhateverTheSizes(_ seed: UInt64) throws {
        var state = seed
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let window = [1, 7, 4096, 65536, 1 << 20][random(5)]
        let largest = [10, 70_000, (1 << 20) + 5, 300_000][random(4)]
        var out = StreamOutflow(window: UInt32(window))
        var into = StreamInflow(window: UInt32(window), limit: 1 << 22)
        var (sent, taken) = (0, 0)
        var left = 60
        var idle = 0
        while left > 0 || !out.isEmpty || into.hasChunk {
            let before = (left, taken)
            if left > 0, out.hasRoom, random(3) > 0 {
                let size = random(2) == 0 ? largest : 1 + random(largest)
                out.append([UInt8](repeating: 1, count: size), isStored: random(4) == 0)
                (sent, left) = (sent + size, left - 1)
            }
            try out.grant(try move(&out, &into))
            if random(2) == 0, let (chunk, grant) = into.take() {
                taken += chunk.bytes.count
                try out.grant(grant)
            }
            #expect(into.heldBytes <= window + largest + FrameHead.maximumBody)
            idle = before == (left, taken) ? idle + 1 : 0
            try #require(idle < 1000, "nothing moves any more")
        }
        #expect(taken == sent)
    }

    @Test func dataBeyondTheCreditIsAViolation() throws {
        var into = StreamInflow(window: 10, limit: 1000)
        try receive([UInt8](repeating: 0, count: 10)[...], [], &into)
        let error = #expect(throws: TelekinesisError.self) { try receive([0], [], &into) }
        #expect(error?.code == .protocolViolation)
    }

    @Test(arguments: [[], .partial, .references] as [ChannelFlags])
    func aFrameWithNothingInItIsAViolation(_ flags: ChannelFlags) throws {
        var into = StreamInflow(window: 10, limit: 1000)
        let error = #expect(throws: TelekinesisError.self) { try receive([], flags, &into) }
        #expect(error?.code == .protocolViolation && !into.hasChunk)
    }

    @Test(arguments: [.references, .stored] as [ChannelFlags])
    func referencesInTheMiddleOfAnElementAreAViolation(_ flags: ChannelFlags) throws {
        var into = StreamInflow(window: 1 << 20, limit: 1000)
        try receive([1], flags.union(.partial), &into)
        let error = #expect(throws: TelekinesisError.self) { try receive([2], flags, &into) }
        #expect(error?.code == .protocolViolation)
    }

    @Test func elementsOfSmallFramesArePutTogether() throws {
        var into = StreamInflow(window: 1 << 20, limit: 1000)
        for _ in 0..<100_000 { try receive([1], [], &into) }
        // In pieces as well.
        for _ in 0..<1000 {
            try receive([1], .partial, &into)
            try receive([2], [], &into)
        }
        #expect(into.heldBytes == 102_000)
        let chunks = [into.take(), into.take(), into.take()].map { $0?.chunk.bytes.count }
        #expect(chunks == [FrameHead.maximumBody, 102_000 - FrameHead.maximumBody, nil])
    }

    @Test func elementsThatHandSomethingOverAreReadByThemselves() throws {
        var into = StreamInflow(window: 1000, limit: 1000)
        for flags in [[], [], .references, [], [], .references, .references] as [ChannelFlags] { try receive([1], flags, &into) }
        var chunks: [Int] = []
        while let (chunk, _) = into.take() { chunks.append(chunk.hasReferences ? -chunk.bytes.count : chunk.bytes.count) }
        #expect(chunks == [2, -1, 2, -1, -1])
    }

    @Test func anElementBeyondTheLimitIsRefused() throws {
        var into = StreamInflow(window: 1000, limit: 100)
        let error = #expect(throws: TelekinesisError.self) {
            for _ in 0..<3 { try receive([UInt8](repeating: 0, count: 50)[...], .partial, &into) }
        }
        #expect(error?.code == .tooLarge)
    }

    @Test func creditThatNobodyCouldWantIsAViolation() throws {
        var out = StreamOutflow(window: 10)
        let error = #expect(throws: TelekinesisError.self) { try out.grant(.max) }
        #expect(error?.code == .protocolViolation)
    }

    @Test func fewElementsWithStoredValuesAreAheadOfTheirReader() throws {
        let window = 4 * StreamOutflow.costOfStored
        var out = StreamOutflow(window: UInt32(window))
        var into = StreamInflow(window: UInt32(window), limit: 1000)
        func send() throws -> Int {
            for _ in 0..<20 { out.append([1, 2], isStored: true) }
            return try (0..<20).prefix { _ in
                guard let part = out.next() else { return false }
                #expect(part.flags == .stored)
                let grant = try part.body.withUnsafeBytes { try into.receive($0, part.flags) }
                try out.grant(grant)
                return true
            }.count
        }
        #expect(try send() == 4)
        // Each is read by itself.
        for _ in 0..<2 { try out.grant(into.take().map { $0.chunk.bytes == [1, 2] ? $0.grant : 0 } ?? 0) }
        #expect(try send() == 2)
    }

    @Test func aPartThatCouldNotLeaveIsTheNextAgain() throws {
        var out = StreamOutflow(window: 100)
        out.append([1])
        guard let part = out.next() else {
            Issue.record("something waits")
            return
        }
        out.putBack(part)
        out.append([2])
        let bodies = [out.next(), out.next()].map { $0.map { Array($0.body) } }
        #expect(bodies == [[1], [2]])
    }
}
