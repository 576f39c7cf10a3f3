import MessagePack
import Testing

/// Bytes made to hurt: each ends in an error, soon, and with little memory.
@Suite struct HostileTests {
    /// Decodes itself to any depth.
    final class Chain: Codable {
        var next: Chain?
        init(length: Int) { next = length > 1 ? Chain(length: length - 1) : nil }
    }

    /// Decodes lists in lists to any depth.
    struct Lists: Codable, Equatable {
        var lists: [Lists]
        init(depth: Int) { lists = depth > 1 ? [Lists(depth: depth - 1)] : [] }
        init(from decoder: any Decoder) throws { lists = try decoder.singleValueContainer().decode([Lists].self) }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(lists)
        }
    }

    @Test func nestingEndsAtTheLimit() throws {
        for (opening, unit) in [([0x91], 1), ([0xdc, 0, 1], 3), ([0xdd, 0, 0, 0, 1], 5), ([0x81, 0xa0], 2), ([0x91, 0x81, 0xa0], 3)]
            as [([UInt8], Int)]
        {
            let levels = unit == 3 && opening[0] == 0x91 ? 2 : 1
            let most = Array(repeatElement(opening, count: 128 / levels).joined()) + [0xc0]
            var reader = MessagePackReader(most)
            try reader.skip()
            expect(.tooDeep, opening + most) { try $0.skip() }
            expect(.tooDeep, Array(repeatElement(opening, count: 100_000).joined())) { try $0.skip() }
        }
        let deep = [UInt8](repeating: 0x91, count: 100_000)
        #expect(throws: DecodingError.self) { try MessagePackDecoder().decode(Lists.self, from: deep) }
        #expect(throws: DecodingError.self) { try MessagePackDecoder().decode([String: Chain].self, from: deep) }
        try roundTrip(Lists(depth: 128))
        #expect(throws: EncodingError.self) { try MessagePackEncoder().encode(Lists(depth: 129)) }
        _ = try MessagePackDecoder().decode(Chain.self, from: MessagePackEncoder().encode(Chain(length: 128)))
        #expect(throws: EncodingError.self) { try MessagePackEncoder().encode(Chain(length: 129)) }
    }

    @Test(arguments: [
        "dd ff ff ff ff", "df ff ff ff ff", "db ff ff ff ff", "c6 ff ff ff ff", "c9 ff ff ff ff 05", "dd 7f ff ff ff c0",
        "db 7f ff ff ff 61",
    ])
    func declaredLengthsAreNotBelieved(bytes: String) {
        expect(.truncated, bytes) { try $0.readHead() }
        expect(.truncated, bytes) { try $0.skip() }
        let decoder = MessagePackDecoder()
        #expect(throws: DecodingError.self) { try decoder.decode([Int].self, from: hex(bytes)) }
        #expect(throws: DecodingError.self) { try decoder.decode([String: Int].self, from: hex(bytes)) }
        #expect(throws: DecodingError.self) { try decoder.decode([Point].self, from: hex(bytes)) }
        #expect(throws: DecodingError.self) { try decoder.decode([UInt8].self, from: hex(bytes)) }
        #expect(throws: DecodingError.self) { try decoder.decode(String.self, from: hex(bytes)) }
    }

    @Test func everyTruncationIsAnError() throws {
        let bytes = try MessagePackEncoder().encode(Everything())
        for count in bytes.indices {
            #expect(throws: DecodingError.self) { try MessagePackDecoder().decode(Everything.self, from: Array(bytes[..<count])) }
            expect(.truncated, Array(bytes[..<count])) { try $0.skip() }
        }
    }

    @Test func noSingleByteChangedCrashes() throws {
        let bytes = try MessagePackEncoder().encode([Shape.circle(Point(), radius: 1.5), .named("x"), .group([.empty])])
        for index in bytes.indices {
            for value in UInt8.min ... .max {
                var changed = bytes
                changed[index] = value
                if let shapes = try? MessagePackDecoder().decode([Shape].self, from: changed) { try roundTrip(shapes.map { "\($0)" }) }
            }
        }
    }

    @Test func theUnusedByteAndBadTextAreRefused() {
        expect(.invalidByte, "c1") { try $0.skip() }
        expect(.invalidByte, "92 c0 c1") { try $0.skip() }
        for text in ["a1 ff", "a2 c0 80", "a3 ed a0 80", "a4 f5 80 80 80", "a1 c3", "a3 e2 82 28"] {
            expect(.invalidUTF8, text) { try $0.readString() }
            #expect(throws: DecodingError.self) { try MessagePackDecoder().decode([String: Point].self, from: hex("81 \(text) 80")) }
            #expect(throws: DecodingError.self) { try MessagePackDecoder().decode([String: Int].self, from: hex("81 \(text) 01")) }
        }
    }

    @Test func keysMustBeStrings() {
        for bytes in ["81 01 01", "81 c0 01", "81 c4 00 01", "81 90 01", "81 80 01"] {
            #expect(throws: DecodingError.self) { try MessagePackDecoder().decode([String: Int].self, from: hex(bytes)) }
            #expect(throws: DecodingError.self) { try MessagePackDecoder().decode(Point.self, from: hex(bytes)) }
        }
    }

    @Test func aMillionKeysAreReadInTime() throws {
        let bytes = written {
            $0.writeMapHeader(count: 1_000_000)
            for index in 0..<1_000_000 {
                $0.write("\(index)")
                $0.writeNil()
            }
        }
        let error = #expect(throws: DecodingError.self) { try MessagePackDecoder().decode(Point.self, from: bytes) }
        guard case .keyNotFound? = error else { return #expect(Bool(false)) }
    }

    /// Every level of such a value passes over what is inside it: without a note of its extent that would add up.
    @Test func aLargeValueDeepInsideIsReadInTime() throws {
        let payload = [UInt8](repeating: 0xc0, count: 1 << 20)
        let bytes =
            Array(repeatElement(hex("82 a4 6e 65 78 74"), count: 120).joined())
            + written { $0.writeArrayHeader(count: payload.count) } + payload
            + Array(repeatElement(hex("a1 78 c0"), count: 120).joined())
        #expect(throws: DecodingError.self) { try MessagePackDecoder().decode(Chain.self, from: bytes) }
    }

    /// Types that decode by trying make an error of every element: its path must not be looked for from the start each time.
    @Test func aHundredThousandFailedTriesEndInTime() throws {
        struct Either: Decodable {
            init(from decoder: any Decoder) throws {
                let single = try decoder.singleValueContainer()
                if (try? single.decode(Int.self)) == nil { _ = try single.decode(String.self) }
            }
        }
        let bytes = written { $0.writeArrayHeader(count: 100_000) } + [UInt8](repeating: 0xa0, count: 100_000)
        #expect(try MessagePackDecoder().decode([Either].self, from: bytes).count == 100_000)
    }
}
