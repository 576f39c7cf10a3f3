internal import MessagePack

/// What a scanner tells, in the order of the text.
protocol JSONSink {
    mutating func writeNil()
    mutating func write(_ value: Bool)
    mutating func write(_ value: Int64)
    mutating func write(_ value: UInt64)
    mutating func write(_ value: Double)
    /// A string, which may be escaped, and how many bytes it has when it is not.
    mutating func write(_ string: ArraySlice<UInt8>, count: Int)
    /// Begins a container, and names it.
    mutating func openArray() -> Int
    mutating func openMap() -> Int
    /// Announces an element of the container of this name.
    mutating func announceElement(of container: Int)
}

/// Walks through JSON text by the grammar of RFC 8259, and nothing beyond it.
struct JSONScanner {
    private let text: [UInt8]
    private(set) var position: Int
    private let end: Int
    private var depth = 0

    /// Creates a scanner of text that is UTF-8.
    init(_ text: [UInt8], in range: Range<Int>) throws(JSONTextError) {
        let range = range.clamped(to: text.indices)
        self.text = text
        self.position = range.lowerBound
        self.end = range.upperBound
        do {
            _ = try UTF8Span(validating: text.span.extracting(range))
        } catch {
            throw JSONTextError(.invalidUTF8, offset: range.lowerBound + error.byteOffsets.lowerBound)
        }
        // RFC 8259, section 8.1.
        if text[range].starts(with: [0xef, 0xbb, 0xbf]) { throw JSONTextError(.invalidUTF8, offset: range.lowerBound) }
    }

    /// The value that `scan` passes over is all there is.
    mutating func wholeText(_ scan: (inout Self) throws(JSONTextError) -> Void) throws(JSONTextError) {
        skipSpace()
        try scan(&self)
        skipSpace()
        guard position == end else { throw error(.trailingText) }
    }

    mutating func value(into sink: inout some JSONSink) throws(JSONTextError) {
        switch next {
        case UInt8(ascii: "{"):
            let map = sink.openMap()
            try members { (scanner) throws(JSONTextError) in
                sink.announceElement(of: map)
                try scanner.string(into: &sink)
                try scanner.separator()
                try scanner.value(into: &sink)
            }
        case UInt8(ascii: "["):
            let array = sink.openArray()
            try elements { (scanner) throws(JSONTextError) in
                sink.announceElement(of: array)
                try scanner.value(into: &sink)
            }
        case UInt8(ascii: "\""): try string(into: &sink)
        case UInt8(ascii: "t"):
            try word("true")
            sink.write(true)
        case UInt8(ascii: "f"):
            try word("false")
            sink.write(false)
        case UInt8(ascii: "n"):
            try word("null")
            sink.writeNil()
        case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): try number(into: &sink)
        default: throw unexpected()
        }
    }

    mutating func valueRange() throws(JSONTextError) -> Range<Int> {
        var sink = NoSink()
        let start = position
        try value(into: &sink)
        return start..<position
    }

    /// Passes over an object; `member` passes over each member.
    mutating func members(_ member: (inout Self) throws(JSONTextError) -> Void) throws(JSONTextError) {
        try list(from: "{", to: "}", member)
    }

    /// Passes over an array; `element` passes over each element.
    mutating func elements(_ element: (inout Self) throws(JSONTextError) -> Void) throws(JSONTextError) {
        try list(from: "[", to: "]", element)
    }

    /// The name of a member, without quotes and escapes.
    mutating func name() throws(JSONTextError) -> String {
        let (content, count) = try string()
        var name = [UInt8]()
        name.reserveCapacity(count)
        JSONEscapes.append(content, unescapedTo: &name)
        return String(decoding: name, as: UTF8.self)
    }

    /// Passes over the colon between a name and its value.
    mutating func separator() throws(JSONTextError) {
        skipSpace()
        try pass(":")
        skipSpace()
    }

    // MARK: Parts

    private var next: UInt8? { position < end ? text[position] : nil }

    private func error(_ code: JSONTextError.Code) -> JSONTextError { JSONTextError(code, offset: position) }

    private func unexpected() -> JSONTextError { error(position < end ? .unexpected : .truncated) }

    private mutating func skipSpace() {
        while position < end {
            switch text[position] {
            case 0x20, 0x0a, 0x0d, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func pass(_ character: Unicode.Scalar) throws(JSONTextError) {
        guard next == UInt8(ascii: character) else { throw unexpected() }
        position += 1
    }

    private mutating func word(_ word: StaticString) throws(JSONTextError) {
        for offset in 0..<word.utf8CodeUnitCount {
            guard next == word.utf8Start[offset] else { throw unexpected() }
            position += 1
        }
    }

    @inline(__always)
    private mutating func list(
        from opening: Unicode.Scalar, to closing: Unicode.Scalar, _ item: (inout Self) throws(JSONTextError) -> Void
    ) throws(JSONTextError) {
        guard depth < JSONText.maximumDepth else { throw error(.tooDeep) }
        depth += 1
        try pass(opening)
        skipSpace()
        if next != UInt8(ascii: closing) {
            try item(&self)
            skipSpace()
            while next == UInt8(ascii: ",") {
                position += 1
                skipSpace()
                try item(&self)
                skipSpace()
            }
        }
        try pass(closing)
        depth -= 1
    }

    private mutating func string(into sink: inout some JSONSink) throws(JSONTextError) {
        let (content, count) = try string()
        sink.write(content, count: count)
    }

    /// What is between the quotes, and how many bytes it has without escapes.
    private mutating func string() throws(JSONTextError) -> (content: ArraySlice<UInt8>, count: Int) {
        try pass("\"")
        let start = position
        var saved = 0
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return (text[start..<position - 1], position - 1 - start - saved)
            case UInt8(ascii: "\\"):
                guard let escape = JSONEscapes.escape(at: text[position..<end]) else { throw error(.invalidString) }
                saved += escape.length - UTF8.width(escape.scalar)
                position += escape.length
            case ..<0x20: throw error(.invalidString)
            default: position += 1
            }
        }
        throw error(.truncated)
    }

    private mutating func number(into sink: inout some JSONSink) throws(JSONTextError) {
        let start = position
        var number = JSONNumber()
        if next == UInt8(ascii: "-") {
            number.isNegative = true
            position += 1
        }
        if next == UInt8(ascii: "0") { position += 1 } else { try digits { number.append($0) } }
        if next == UInt8(ascii: ".") {
            position += 1
            number.isInteger = false
            try digits {
                number.append($0)
                number.exponent -= 1
            }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            number.isInteger = false
            let isNegative = next == UInt8(ascii: "-")
            if isNegative || next == UInt8(ascii: "+") { position += 1 }
            var exponent = 0
            try digits { exponent = min(exponent * 10 + Int($0), 1_000_000) }
            number.exponent += isNegative ? -exponent : exponent
        }
        switch number.value(text[start..<position]) {
        case .signed(let value): sink.write(value)
        case .unsigned(let value): sink.write(value)
        case .float(let value): sink.write(value)
        case nil: throw JSONTextError(.numberOutOfRange, offset: start)
        }
    }

    /// Passes over one digit or more.
    @inline(__always)
    private mutating func digits(_ digit: (UInt8) -> Void) throws(JSONTextError) {
        let start = position
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            digit(byte - UInt8(ascii: "0"))
            position += 1
        }
        guard position > start else { throw error(position < end ? .invalidNumber : .truncated) }
    }
}

/// Where nothing but the grammar matters.
struct NoSink: JSONSink {
    mutating func writeNil() {}
    mutating func write(_ value: Bool) {}
    mutating func write(_ value: Int64) {}
    mutating func write(_ value: UInt64) {}
    mutating func write(_ value: Double) {}
    mutating func write(_ string: ArraySlice<UInt8>, count: Int) {}
    mutating func openArray() -> Int { 0 }
    mutating func openMap() -> Int { 0 }
    mutating func announceElement(of container: Int) {}
}

extension MessagePackWriter: JSONSink {
    mutating func write(_ string: ArraySlice<UInt8>, count: Int) {
        writeStringHeader(count: count)
        JSONEscapes.append(string, unescapedTo: &bytes)
    }

    mutating func announceElement(of container: Int) {
        countElement(ofContainerAt: container)
    }
}
