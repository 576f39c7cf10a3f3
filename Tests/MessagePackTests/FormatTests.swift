import MessagePack
import Testing

/// Bytes written down as in the specification.
func hex(_ text: String) -> [UInt8] {
    text.split { " -".contains($0) }.compactMap { UInt8($0, radix: 16) }
}

func written(_ write: (inout MessagePackWriter) -> Void) -> [UInt8] {
    var writer = MessagePackWriter()
    write(&writer)
    return writer.bytes
}

@Suite struct FormatTests {
    @Test(
        arguments: [
            (0, "00"), (127, "7f"), (128, "cc 80"), (255, "cc ff"), (256, "cd 01 00"), (65_535, "cd ff ff"), (65_536, "ce 00 01 00 00"),
            (4_294_967_295, "ce ff ff ff ff"), (4_294_967_296, "cf 00 00 00 01 00 00 00 00"), (.max, "cf 7f ff ff ff ff ff ff ff"),
            (-1, "ff"), (-32, "e0"), (-33, "d0 df"), (-128, "d0 80"), (-129, "d1 ff 7f"), (-32_768, "d1 80 00"),
            (-32_769, "d2 ff ff 7f ff"),
            (-2_147_483_648, "d2 80 00 00 00"), (-2_147_483_649, "d3 ff ff ff ff 7f ff ff ff"), (.min, "d3 80 00 00 00 00 00 00 00"),
        ] as [(Int64, String)])
    func integersTakeTheirShortestForm(value: Int64, bytes: String) throws {
        #expect(written { $0.write(value) } == hex(bytes))
        var reader = MessagePackReader(hex(bytes))
        #expect(try reader.readInteger(Int64.self) == value)
        #expect(reader.isAtEnd)
    }

    @Test func theLargestUnsignedIntegerIsWrittenAndRead() throws {
        #expect(written { $0.write(UInt64.max) } == hex("cf ff ff ff ff ff ff ff ff"))
        var reader = MessagePackReader(hex("cf ff ff ff ff ff ff ff ff"))
        #expect(try reader.readInteger() == UInt64.max)
    }

    @Test func everyFormThatHoldsAnIntegerIsRead() throws {
        for value in [
            0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 1 << 32 - 1, 1 << 32, .max, -1, -32, -33, -128, -129, -32_769, .min,
        ] as [Int64] {
            for form in forms(of: value) {
                var reader = MessagePackReader(form)
                #expect(try reader.readInteger(Int64.self) == value)
                #expect(reader.isAtEnd)
            }
        }
    }

    @Test func integersThatDoNotFitAreRefused() {
        expect(.inexactNumber, "cc 80") { try $0.readInteger(Int8.self) }
        expect(.inexactNumber, "ff") { try $0.readInteger(UInt64.self) }
        expect(.inexactNumber, "cf 80 00 00 00 00 00 00 00") { try $0.readInteger(Int64.self) }
        expect(.inexactNumber, "cd 01 00") { try $0.readInteger(UInt8.self) }
        expect(.mismatch(expected: .integer, found: .float), "cb 3f f0 00 00 00 00 00 00") { try $0.readInteger(Int.self) }
    }

    @Test func floatsKeepTheirBits() throws {
        for value in [0, -0.0, 1.5, .pi, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude] as [Double] {
            var reader = MessagePackReader(written { $0.write(value) })
            #expect(try reader.readFloat(Double.self).bitPattern == value.bitPattern)
        }
        var nan = MessagePackReader(written { $0.write(Double.nan) })
        #expect(try nan.readFloat(Double.self).isNaN)
        #expect(written { $0.write(Float(1.5)) } == hex("ca 3f c0 00 00"))
    }

    @Test func numbersBecomeFloatsOnlyExactly() throws {
        var half = MessagePackReader(written { $0.write(0.5) })
        #expect(try half.readFloat(Float.self) == 0.5)
        var five = MessagePackReader(hex("05"))
        #expect(try five.readFloat(Double.self) == 5)
        var narrowNaN = MessagePackReader(written { $0.write(Float.nan) })
        #expect(try narrowNaN.readFloat(Double.self).isNaN)
        expect(.inexactNumber, written { $0.write(0.1) }) { try $0.readFloat(Float.self) }
        expect(.inexactNumber, written { $0.write(Int64(1) << 53 + 1) }) { try $0.readFloat(Double.self) }
    }

    @Test(arguments: [
        (0, "a0"), (31, "bf"), (32, "d9 20"), (255, "d9 ff"), (256, "da 01 00"), (65_535, "da ff ff"), (65_536, "db 00 01 00 00"),
    ])
    func stringsTakeTheirShortestHeader(count: Int, header: String) throws {
        let string = String(repeating: "x", count: count)
        let bytes = written { $0.write(string) }
        #expect(bytes.starts(with: hex(header)) && bytes.count == hex(header).count + count)
        var reader = MessagePackReader(bytes)
        #expect(try reader.readString() == string)
    }

    @Test(arguments: [(0, "c4 00"), (255, "c4 ff"), (256, "c5 01 00"), (65_535, "c5 ff ff"), (65_536, "c6 00 01 00 00")])
    func bytesTakeTheirShortestHeader(count: Int, header: String) throws {
        let value = [UInt8](repeating: 7, count: count)
        let bytes = written { $0.writeBinary(value) }
        #expect(bytes.starts(with: hex(header)) && bytes.count == hex(header).count + count)
        var reader = MessagePackReader(bytes)
        #expect(try reader.readBinary() == value)
    }

    @Test(arguments: [
        (0, "90", "80"), (15, "9f", "8f"), (16, "dc 00 10", "de 00 10"), (65_535, "dc ff ff", "de ff ff"),
        (65_536, "dd 00 01 00 00", "df 00 01 00 00"),
    ])
    func containersTakeTheirShortestHeader(count: Int, array: String, map: String) throws {
        let values = [UInt8](repeating: 0xc0, count: count * 2)
        #expect(written { $0.writeArrayHeader(count: count) } == hex(array))
        #expect(written { $0.writeMapHeader(count: count) } == hex(map))
        var reader = MessagePackReader(hex(array) + values)
        #expect(try reader.readArrayHeader() == count)
        reader = MessagePackReader(hex(map) + values)
        #expect(try reader.readMapHeader() == count)
    }

    @Test(arguments: [
        (1, "d4 05"), (2, "d5 05"), (3, "c7 03 05"), (4, "d6 05"), (8, "d7 05"), (16, "d8 05"), (255, "c7 ff 05"), (256, "c8 01 00 05"),
        (65_536, "c9 00 01 00 00 05"),
    ])
    func extensionsTakeTheirShortestHeader(count: Int, header: String) throws {
        let payload = [UInt8](repeating: 9, count: count)
        let bytes = written { $0.writeExtension(type: 5, payload) }
        #expect(bytes == hex(header) + payload)
        var reader = MessagePackReader(bytes)
        let read = try reader.readExtension()
        #expect(read.type == 5 && Array(bytes[read.payload]) == payload)
    }

    @Test(
        arguments: [
            (0, 0, "d6 ff 00 00 00 00"), (1 << 32 - 1, 0, "d6 ff ff ff ff ff"), (1 << 32, 0, "d7 ff 00 00 00 01 00 00 00 00"),
            (0, 1, "d7 ff 00 00 00 04 00 00 00 00"), (1 << 34 - 1, 999_999_999, "d7 ff ee 6b 27 ff ff ff ff ff"),
            (1 << 34, 0, "c7 0c ff 00 00 00 00 00 00 00 04 00 00 00 00"), (-1, 999_999_999, "c7 0c ff 3b 9a c9 ff ff ff ff ff ff ff ff ff"),
            (.min, 0, "c7 0c ff 00 00 00 00 80 00 00 00 00 00 00 00"), (.max, 0, "c7 0c ff 00 00 00 00 7f ff ff ff ff ff ff ff"),
        ] as [(Int64, UInt32, String)])
    func timestampsTakeTheirShortestForm(seconds: Int64, nanoseconds: UInt32, bytes: String) throws {
        let timestamp = try #require(MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds))
        #expect(written { $0.write(timestamp) } == hex(bytes))
        var reader = MessagePackReader(hex(bytes))
        #expect(try reader.readTimestamp() == timestamp)
    }

    @Test func malformedTimestampsAreRefused() {
        expect(.invalidTimestamp, "d4 ff 00") { try $0.readTimestamp() }
        expect(.invalidTimestamp, "d7 ff ff ff ff ff 00 00 00 00") { try $0.readTimestamp() }
        expect(.invalidTimestamp, "c7 0c ff 3b 9a ca 00 00 00 00 00 00 00 00 00") { try $0.readTimestamp() }
        expect(.mismatch(expected: .timestamp, found: .extension), "d6 05 00 00 00 00") { try $0.readTimestamp() }
    }

    @Test func openContainersCountThroughEveryWidth() throws {
        for count in [0, 1, 15, 16, 17, 65_535, 65_536, 65_537] {
            var (array, map) = (MessagePackWriter(appendingTo: [1, 2, 3]), MessagePackWriter())
            let (arrayStart, mapStart) = (array.openArray(), map.openMap())
            for index in 0..<count {
                array.countElement(ofContainerAt: arrayStart)
                array.write(index)
                map.countElement(ofContainerAt: mapStart)
                map.write("key")
                map.write(index)
            }
            #expect(
                array.bytes == [1, 2, 3]
                    + written {
                        $0.writeArrayHeader(count: count)
                        for index in 0..<count { $0.write(index) }
                    })
            #expect(
                map.bytes
                    == written {
                        $0.writeMapHeader(count: count)
                        for index in 0..<count {
                            $0.write("key")
                            $0.write(index)
                        }
                    })
        }
    }

    @Test func aRangeIsReadAndNothingAround() throws {
        var reader = MessagePackReader([1, 2, 3, 4], in: 1..<3)
        #expect(try reader.readInteger(Int.self) == 2)
        #expect(throws: MessagePackError(.trailingBytes, offset: 2)) { try reader.finish() }
        #expect(try reader.readInteger(Int.self) == 3)
        #expect(throws: MessagePackError(.truncated, offset: 3)) { try reader.readInteger(Int.self) }
        try reader.finish()
    }

    private func forms(of value: Int64) -> [[UInt8]] {
        func form<Number: FixedWidthInteger>(_ format: UInt8, _: Number.Type) -> [UInt8]? {
            Number(exactly: value).map { number in [format] + withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        }
        let fix = (-32...127).contains(value) ? [UInt8(truncatingIfNeeded: value)] : nil
        return [
            fix, form(0xcc, UInt8.self), form(0xcd, UInt16.self), form(0xce, UInt32.self), form(0xcf, UInt64.self), form(0xd0, Int8.self),
            form(0xd1, Int16.self), form(0xd2, Int32.self), form(0xd3, Int64.self),
        ].compactMap { $0 }
    }
}

func expect<Value>(
    _ code: MessagePackError.Code, _ bytes: String, _ read: (inout MessagePackReader) throws -> Value,
    at location: SourceLocation = #_sourceLocation
) {
    expect(code, hex(bytes), read, at: location)
}

func expect<Value>(
    _ code: MessagePackError.Code, _ bytes: [UInt8], _ read: (inout MessagePackReader) throws -> Value,
    at location: SourceLocation = #_sourceLocation
) {
    var reader = MessagePackReader(bytes)
    let error = #expect(throws: MessagePackError.self, sourceLocation: location) { try read(&reader) }
    #expect(error?.code == code, sourceLocation: location)
}
