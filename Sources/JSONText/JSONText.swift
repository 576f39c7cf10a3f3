public import MessagePack

/// JSON by RFC 8259, strictly: UTF-8 without a byte order mark, whole surrogate pairs only, no number that a 64-bit integer or float
/// cannot stand for, arrays and objects at most `maximumDepth` deep.
///
/// No tree is built in either direction. What MessagePack has and JSON lacks goes by one fixed convention: bytes are base64 strings,
/// timestamps RFC 3339 strings, integers beyond ±2^53 decimal strings, non-finite floats the strings `"NaN"`, `"Infinity"` and
/// `"-Infinity"`. `MessagePackDecoder(origin: .json)` reads them back.
public enum JSONText {
    /// How deep arrays and objects may be nested.
    public static let maximumDepth = MessagePackReader.maximumDepth

    /// Throws unless `text` is one JSON value.
    public static func validate(_ text: [UInt8]) throws(JSONTextError) {
        var (scanner, sink) = (try JSONScanner(text, in: text.indices), NoSink())
        try scanner.wholeText { (scanner) throws(JSONTextError) in try scanner.value(into: &sink) }
    }

    /// The members of the object that `text` is, no two of the same name. Their values are well-formed.
    public static func members(of text: [UInt8]) throws(JSONTextError) -> [JSONMember] {
        var members: [JSONMember] = []
        var names: Set<String> = []
        var scanner = try JSONScanner(text, in: text.indices)
        try scanner.wholeText { (scanner) throws(JSONTextError) in
            try scanner.members { (scanner) throws(JSONTextError) in
                let offset = scanner.position
                let name = try scanner.name()
                guard names.insert(name).inserted else { throw JSONTextError(.duplicateName, offset: offset) }
                try scanner.separator()
                members.append(JSONMember(name: name, value: try scanner.valueRange()))
            }
        }
        return members
    }

    /// Where the elements of the array in `range` of `text` are. They are well-formed.
    public static func elements(of text: [UInt8], in range: Range<Int>) throws(JSONTextError) -> [Range<Int>] {
        var elements: [Range<Int>] = []
        var scanner = try JSONScanner(text, in: range)
        try scanner.wholeText { (scanner) throws(JSONTextError) in
            try scanner.elements { (scanner) throws(JSONTextError) in elements.append(try scanner.valueRange()) }
        }
        return elements
    }

    /// The value that `text`, or `range` of it, holds, in MessagePack.
    public static func toMessagePack(_ text: [UInt8], in range: Range<Int>? = nil) throws(JSONTextError) -> [UInt8] {
        var writer = MessagePackWriter()
        try toMessagePack(text, in: range ?? text.indices, into: &writer)
        return writer.bytes
    }

    /// Appends the value that `range` of `text` holds. After an error what was appended is unspecified.
    public static func toMessagePack(_ text: [UInt8], in range: Range<Int>, into writer: inout MessagePackWriter) throws(JSONTextError) {
        var scanner = try JSONScanner(text, in: range)
        try scanner.wholeText { (scanner) throws(JSONTextError) in try scanner.value(into: &writer) }
    }
}

/// A member of an object.
public struct JSONMember: Hashable, Sendable {
    /// Its name, without quotes and escapes.
    public let name: String
    /// Where its value is in the text.
    public let value: Range<Int>
}

/// Why bytes are not JSON text, or not of the form asked for.
public struct JSONTextError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was wrong.
    public enum Code: Hashable, Sendable {
        /// The text ends inside the value.
        case truncated
        /// Something else stands where a value, a comma, a colon or a closing bracket should.
        case unexpected
        /// Something follows the value.
        case trailingText
        /// Arrays and objects are nested deeper than `JSONText.maximumDepth`.
        case tooDeep
        /// The bytes are not UTF-8, or begin with a byte order mark.
        case invalidUTF8
        /// A string has a control character in it, an escape that does not exist, or half of a surrogate pair.
        case invalidString
        /// A number is malformed.
        case invalidNumber
        /// A number is too large for a 64-bit float, or has more than a thousand digits.
        case numberOutOfRange
        /// An object has two members of one name.
        case duplicateName
    }

    /// What was wrong.
    public let code: Code
    /// Where, in bytes.
    public let offset: Int

    init(_ code: Code, offset: Int) {
        self.code = code
        self.offset = offset
    }

    /// A sentence that says what was wrong and where.
    public var description: String { "\(sentence) at byte \(offset)." }

    private var sentence: String {
        switch code {
        case .truncated: "The JSON text ends inside its value"
        case .unexpected: "The JSON text has something unexpected"
        case .trailingText: "Something follows the JSON value"
        case .tooDeep: "Arrays and objects are nested more than \(JSONText.maximumDepth) deep"
        case .invalidUTF8: "The JSON text is not UTF-8 without a byte order mark"
        case .invalidString: "A string has a control character, an unknown escape or half of a surrogate pair"
        case .invalidNumber: "A number is malformed"
        case .numberOutOfRange: "A number is too large or too long"
        case .duplicateName: "An object has a second member of the same name"
        }
    }
}
