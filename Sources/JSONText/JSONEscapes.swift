/// The escapes of strings, by RFC 8259 section 7.
enum JSONEscapes {
    /// The escape that `text` begins with, and its length; nil if it is none, or half of a surrogate pair.
    static func escape(at text: ArraySlice<UInt8>) -> (scalar: Unicode.Scalar, length: Int)? {
        guard text.count >= 2 else { return nil }
        switch text[text.startIndex + 1] {
        case UInt8(ascii: "\""): return ("\"", 2)
        case UInt8(ascii: "\\"): return ("\\", 2)
        case UInt8(ascii: "/"): return ("/", 2)
        case UInt8(ascii: "b"): return ("\u{8}", 2)
        case UInt8(ascii: "f"): return ("\u{c}", 2)
        case UInt8(ascii: "n"): return ("\n", 2)
        case UInt8(ascii: "r"): return ("\r", 2)
        case UInt8(ascii: "t"): return ("\t", 2)
        default: break
        }
        guard let first = codeUnit(at: text) else { return nil }
        if let scalar = Unicode.Scalar(first) { return (scalar, 6) }
        guard UTF16.isLeadSurrogate(first), let second = codeUnit(at: text.dropFirst(6)), UTF16.isTrailSurrogate(second) else { return nil }
        let pair = 0x1_0000 + (UInt32(first) & 0x3ff) << 10 + UInt32(second) & 0x3ff
        return Unicode.Scalar(pair).map { ($0, 12) }
    }

    /// The code unit that `text` begins with, as `\u` and four digits.
    private static func codeUnit(at text: ArraySlice<UInt8>) -> UInt16? {
        guard text.count >= 6, text.starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) else { return nil }
        return text[(text.startIndex + 2)..<(text.startIndex + 6)].reduce(0) { value, digit in
            guard let value, let digit = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            return value << 4 | UInt16(digit)
        }
    }

    /// Appends `content`, all escapes of which are known to be right, without them.
    static func append(_ content: ArraySlice<UInt8>, unescapedTo bytes: inout [UInt8]) {
        var rest = content
        while let backslash = rest.firstIndex(of: UInt8(ascii: "\\")), let escape = escape(at: rest[backslash...]) {
            bytes.append(contentsOf: rest[..<backslash])
            bytes.append(contentsOf: UTF8.encode(escape.scalar) ?? .init())
            rest = rest[(backslash + escape.length)...]
        }
        bytes.append(contentsOf: rest)
    }

    /// Appends `content`, between quotes and with escapes where they must be.
    static func append(_ content: ArraySlice<UInt8>, quotedTo text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        var rest = content
        while let special = rest.firstIndex(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
            text.append(contentsOf: rest[..<special])
            text.append(UInt8(ascii: "\\"))
            switch rest[special] {
            case UInt8(ascii: "\n"): text.append(UInt8(ascii: "n"))
            case UInt8(ascii: "\r"): text.append(UInt8(ascii: "r"))
            case UInt8(ascii: "\t"): text.append(UInt8(ascii: "t"))
            case let control where control < 0x20:
                text.append(contentsOf: [UInt8(ascii: "u"), UInt8(ascii: "0"), UInt8(ascii: "0")])
                text.append(UInt8(ascii: "0") + control >> 4)
                text.append(control & 0xf < 10 ? UInt8(ascii: "0") + control & 0xf : UInt8(ascii: "a") + control & 0xf - 10)
            case let mark: text.append(mark)
            }
            rest = rest[(special + 1)...]
        }
        text.append(contentsOf: rest)
        text.append(UInt8(ascii: "\""))
    }
}
