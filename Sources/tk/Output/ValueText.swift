internal import JSONText
internal import MessagePack

/// The result of a call as text.
enum ValueText {
    /// Strict JSON, on one line.
    static func json(_ value: [UInt8]) throws -> String {
        try escapingInvisible(String(decoding: JSONText.fromMessagePack(value), as: UTF8.self))
    }

    /// For people: text as it is, other scalars plainly, structures as JSON; `nil` where there is nothing to show.
    static func readable(_ value: [UInt8]) throws -> String? {
        switch try MessagePackReader(value).peekHead() {
        case .nil: return nil
        case .string:
            var reader = MessagePackReader(value)
            return try reader.readString().escapedForTerminal(keepingLines: true)
        case .binary, .extension: return try String(json(value).dropFirst().dropLast())
        default: return try json(value)
        }
    }

    /// JSON in which no character can act on a terminal or hide: what JSON does not have to escape (RFC 8259 §7) is escaped as well.
    private static func escapingInvisible(_ json: String) -> String {
        var result = ""
        for scalar in json.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
