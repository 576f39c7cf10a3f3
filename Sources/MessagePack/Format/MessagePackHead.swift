/// The beginning of a value: a whole scalar, or the kind and length of what follows.
public enum MessagePackHead: Equatable, Sendable {
    /// Nil.
    case `nil`
    /// A Boolean.
    case bool(Bool)
    /// An integer written in a signed form, or a positive fixint.
    case signed(Int64)
    /// An integer written in an unsigned form.
    case unsigned(UInt64)
    /// A 32-bit float.
    case float(Float)
    /// A 64-bit float.
    case double(Double)
    /// A string of so many bytes of UTF-8, which follow.
    case string(Int)
    /// So many bytes, which follow.
    case binary(Int)
    /// So many values, which follow.
    case array(Int)
    /// So many keys, each with its value, which follow.
    case map(Int)
    /// An extension of this type, and so many bytes, which follow.
    case `extension`(type: Int8, Int)

    /// What the value is, in a word.
    public var kind: MessagePackKind {
        switch self {
        case .nil: .nil
        case .bool: .bool
        case .signed, .unsigned: .integer
        case .float, .double: .float
        case .string: .string
        case .binary: .binary
        case .array: .array
        case .map: .map
        case .extension(type: MessagePackTimestamp.extensionType, _): .timestamp
        case .extension: .extension
        }
    }
}

/// What a value is, leaving aside how wide its form is.
public enum MessagePackKind: String, Sendable {
    /// Nil.
    case `nil`
    /// A Boolean.
    case bool = "a Boolean"
    /// An integer of any width and sign.
    case integer = "an integer"
    /// A float of 32 or 64 bits.
    case float = "a floating-point number"
    /// UTF-8 text.
    case string = "a string"
    /// Bytes.
    case binary = "bytes"
    /// An array.
    case array = "an array"
    /// A map.
    case map = "a map"
    /// The predefined extension of type -1.
    case timestamp = "a timestamp"
    /// An extension of another type.
    case `extension` = "an extension"
}

/// Why bytes could not be read as MessagePack, or as the value asked for.
public struct MessagePackError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was wrong.
    public enum Code: Hashable, Sendable {
        /// The bytes end inside a value.
        case truncated
        /// Bytes follow the value.
        case trailingBytes
        /// Arrays and maps are nested deeper than `MessagePackReader.maximumDepth`.
        case tooDeep
        /// 0xc1, which the format never uses.
        case invalidByte
        /// A string is not UTF-8.
        case invalidUTF8
        /// A map has the same key twice.
        case duplicateKey
        /// A timestamp has a length, nanoseconds or (as text) a form that the format does not know, or lies outside what its type holds.
        case invalidTimestamp
        /// The number is not exactly one of the type asked for.
        case inexactNumber
        /// Text that should spell a number, a Boolean or bytes does not.
        case invalidText
        /// A value of another kind was asked for.
        case mismatch(expected: MessagePackKind, found: MessagePackKind)
    }

    /// What was wrong.
    public let code: Code
    /// Where: the number of bytes before the value at fault.
    public let offset: Int

    /// Creates an error.
    public init(_ code: Code, offset: Int) {
        self.code = code
        self.offset = offset
    }

    /// A sentence that says what was wrong and where.
    public var description: String {
        "\(sentence) at byte \(offset)."
    }

    private var sentence: String {
        switch code {
        case .truncated: "The bytes end inside the value"
        case .trailingBytes: "Bytes follow the value: it ends"
        case .tooDeep: "Arrays and maps are nested more than \(MessagePackReader.maximumDepth) deep"
        case .invalidByte: "0xc1 is not MessagePack"
        case .invalidUTF8: "A string is not valid UTF-8"
        case .duplicateKey: "A map has the same key a second time"
        case .invalidTimestamp: "A timestamp is malformed or out of range"
        case .inexactNumber: "The number does not fit its type exactly"
        case .invalidText: "The text does not spell a value of its type"
        case .mismatch(let expected, let found): "Expected \(expected.rawValue), found \(found.rawValue)"
        }
    }
}
