import MessagePack
import Testing

/// A byte array at the end that is neither copied to be sent nor to be handed on.
@Suite struct LargeBytesTests {
    private struct Pair: Codable, Equatable {
        var name: String
        var data: [UInt8]
    }

    private static func storage(_ bytes: [UInt8]) -> UInt { bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }

    @Test func keptArrayIsHandedOutAsItIs() throws {
        let large = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        var writer = MessagePackWriter()
        writer.write(7)
        let outcomes = [
            writer.keep("a string", longerThan: 1), writer.keep(large, longerThan: 100_000), writer.keep(large, longerThan: 99_999),
        ]
        #expect(outcomes == [false, false, true])
        let tail = try #require(writer.tail)
        #expect(Self.storage(tail) == Self.storage(large))

        var reader = MessagePackReader(writer.bytes, from: 0, tail: tail)
        let decoder = MessagePackDecoder()
        #expect(try decoder.decode(Int.self, from: &reader) == 7)
        #expect(!reader.isAtEnd)
        let bytes = try decoder.decode([UInt8].self, from: &reader)
        #expect(Self.storage(bytes) == Self.storage(large))
        #expect(reader.isAtEnd)
    }

    @Test func joinedArrayIsWrittenAsAnyOther() throws {
        let large = [UInt8](repeating: 3, count: 70_000)
        var (kept, plain) = (MessagePackWriter(), MessagePackWriter())
        _ = kept.keep(large, longerThan: 10)
        kept.join()
        kept.write(true)
        plain.writeBinary(large)
        plain.write(true)
        #expect(kept.bytes == plain.bytes)
        #expect(kept.tail == nil)
    }

    /// Wherever the bytes are divided, what is read is the same.
    @Test func valuesAreReadAcrossTheDivision() throws {
        let pair = Pair(name: "a name that is not short", data: [1, 2, 3, 4, 5, 6, 7, 8])
        var writer = MessagePackWriter()
        try MessagePackEncoder().encode(pair, into: &writer)
        writer.writeNil()
        try MessagePackEncoder().encode([1, 1000, 100_000], into: &writer)
        writer.write("text")
        writer.writeBinary([9, 9, 9])
        writer.write(1.5)
        for place in 0...writer.bytes.count {
            var reader = MessagePackReader(Array(writer.bytes[..<place]), from: 0, tail: Array(writer.bytes[place...]))
            var skipping = reader
            let decoder = MessagePackDecoder()
            #expect(try decoder.decode(Pair.self, from: &reader) == pair, "divided at \(place)")
            let isNil = reader.readNil()
            #expect(isNil)
            #expect(try decoder.decode([Int].self, from: &reader) == [1, 1000, 100_000])
            #expect(try decoder.decode(String.self, from: &reader) == "text")
            #expect(try decoder.decode([UInt8].self, from: &reader) == [9, 9, 9])
            #expect(try decoder.decode(Double.self, from: &reader) == 1.5)
            #expect(throws: MessagePackError.self) { try reader.readHead() }
            for _ in 0..<6 { try skipping.skip() }
            #expect(throws: MessagePackError.self) { try skipping.skip() }
        }
    }

    @Test func tailOfAnotherLengthThanTheHeadSaysIsNotTaken() throws {
        let head: [UInt8] = [0xc6, 0, 0, 0, 4]
        for (tail, isRead) in [([1, 2, 3] as [UInt8], false), ([1, 2, 3, 4], true), ([1, 2, 3, 4, 0xc0], true)] {
            var reader = MessagePackReader(head, from: 0, tail: tail)
            let bytes = try? MessagePackDecoder().decode([UInt8].self, from: &reader)
            #expect(bytes == (isRead ? [1, 2, 3, 4] : nil))
            #expect(reader.isAtEnd == (tail.count == 4) || !isRead)
        }
    }
}
