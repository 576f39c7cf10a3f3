public import MessagePack

extension JSONText {
    /// The same value as JSON text, without white space.
    /// - Throws: where the bytes are malformed or JSON has nothing for a value: a map key that is no string, a timestamp outside of the
    ///   years 0 to 9999, an extension of another type.
    public static func fromMessagePack(_ bytes: [UInt8]) throws(MessagePackError) -> [UInt8] {
        var (reader, text) = (MessagePackReader(bytes), [UInt8]())
        try fromMessagePack(&reader, into: &text)
        try reader.finish()
        return text
    }

    /// Appends the next value of `reader`. After an error what was appended is unspecified.
    public static func fromMessagePack(_ reader: inout MessagePackReader, into text: inout [UInt8]) throws(MessagePackError) {
        try append(&reader, to: &text, levels: maximumDepth)
    }

    private static func append(_ reader: inout MessagePackReader, to text: inout [UInt8], levels: Int) throws(MessagePackError) {
        let start = reader.position
        switch try reader.readHead() {
        case .nil: text.append(contentsOf: "null".utf8)
        case .bool(let value): text.append(contentsOf: (value ? "true" : "false").utf8)
        case .signed(let value): append(value, to: &text)
        case .unsigned(let value): append(value, to: &text)
        case .float(let value): append(value, to: &text)
        case .double(let value): append(value, to: &text)
        case .string(let count): try appendString(count, of: &reader, to: &text)
        case .binary(let count):
            text.append(UInt8(ascii: "\""))
            Base64.encode(reader.bytes[try reader.readPayload(count)], into: &text)
            text.append(UInt8(ascii: "\""))
        case .array(let count):
            guard levels > 0 else { throw MessagePackError(.tooDeep, offset: start) }
            text.append(UInt8(ascii: "["))
            for index in 0..<count {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                try append(&reader, to: &text, levels: levels - 1)
            }
            text.append(UInt8(ascii: "]"))
        case .map(let count):
            guard levels > 0 else { throw MessagePackError(.tooDeep, offset: start) }
            text.append(UInt8(ascii: "{"))
            for index in 0..<count {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                let key = reader.position
                let head = try reader.readHead()
                guard case .string(let count) = head else {
                    throw MessagePackError(.mismatch(expected: .string, found: head.kind), offset: key)
                }
                try appendString(count, of: &reader, to: &text)
                text.append(UInt8(ascii: ":"))
                try append(&reader, to: &text, levels: levels - 1)
            }
            text.append(UInt8(ascii: "}"))
        case .extension(MessagePackTimestamp.extensionType, _):
            reader = MessagePackReader(reader.bytes, in: start..<reader.end)
            guard let time = try reader.readTimestamp().rfc3339 else { throw MessagePackError(.invalidTimestamp, offset: start) }
            appendQuoted(time, to: &text)
        case .extension: throw MessagePackError(.mismatch(expected: .timestamp, found: .extension), offset: start)
        }
    }

    private static func appendString(_ count: Int, of reader: inout MessagePackReader, to text: inout [UInt8]) throws(MessagePackError) {
        let content = try reader.readPayload(count)
        guard (try? UTF8Span(validating: reader.bytes.span.extracting(content))) != nil else {
            throw MessagePackError(.invalidUTF8, offset: content.lowerBound)
        }
        JSONEscapes.append(reader.bytes[content], quotedTo: &text)
    }

    /// Beyond 2^53 a reader that has nothing but floats would take the number for another.
    private static func append(_ value: some FixedWidthInteger, to text: inout [UInt8]) {
        if value.magnitude <= 1 << 53 {
            text.append(contentsOf: String(value).utf8)
        } else {
            appendQuoted(String(value), to: &text)
        }
    }

    private static func append(_ value: some BinaryFloatingPoint & CustomStringConvertible, to text: inout [UInt8]) {
        if value.isFinite {
            text.append(contentsOf: value.description.utf8)
        } else {
            appendQuoted(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity", to: &text)
        }
    }

    private static func appendQuoted(_ plain: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        text.append(contentsOf: plain.utf8)
        text.append(UInt8(ascii: "\""))
    }
}
