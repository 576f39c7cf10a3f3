/// Decodes values from MessagePack.
///
/// Keys that a type does not ask for are passed over, missing optionals are nil; a key that a map has twice is an error, and so is a number
/// that the type asked for does not hold exactly.
public struct MessagePackDecoder: Sendable {
    /// Where the values come from, which decides what may stand for a number, a date or bytes.
    public enum Origin: Sendable {
        /// MessagePack all along.
        case native
        /// JSON text (`JSONText.toMessagePack`): in place of an integer also a float that is one, or its digits as a string; `"NaN"`,
        /// `"Infinity"` and `"-Infinity"`; dates by RFC 3339; bytes in base64.
        case json
        /// Words that a person typed: as for JSON, and any number or Boolean may be a string that spells it.
        case words
    }

    /// What `init(from:)` methods find in their decoder's `userInfo`.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]
    /// Where the values come from.
    public var origin: Origin

    /// What they find there when nothing else was given: asked for only by those that look.
    private let implicitUserInfo: (@Sendable () -> [CodingUserInfoKey: any Sendable])?

    /// Creates a decoder.
    public init(origin: Origin = .native) {
        self.origin = origin
        implicitUserInfo = nil
    }

    /// Creates a decoder whose `userInfo` is made when a type asks for it.
    package init(origin: Origin = .native, userInfo: @escaping @Sendable () -> [CodingUserInfoKey: any Sendable]) {
        self.origin = origin
        implicitUserInfo = userInfo
    }

    /// The value that `bytes` stand for.
    /// - Throws: `DecodingError`, with a `MessagePackError` underneath where the bytes are to blame, and what the type's own `init(from:)` throws.
    public func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        var reader = MessagePackReader(bytes)
        let value = try decode(type, from: &reader)
        guard reader.isAtEnd else { throw DecodingError(.init(.trailingBytes, offset: reader.position), decoding: type, codingPath: []) }
        return value
    }

    /// Reads the next value that `reader` holds, which is left behind it if it could be told where it ends.
    /// - Throws: `DecodingError`, with a `MessagePackError` underneath where the bytes are to blame, and what the type's own `init(from:)` throws.
    public func decode<Value: Decodable>(_ type: Value.Type, from reader: inout MessagePackReader) throws -> Value {
        let start = reader.position
        var source = PlainSource(reader: reader, origin: origin)
        defer { reader.follow(source.reader) }
        do {
            return try source.read(type) { source in
                // From here on the value is known to be well-formed.
                let state = try DecodingState(survey: &source.reader, origin: origin, userInfo: userInfo, implicitly: implicitUserInfo)
                return try state.decodeItself(type, at: start)
            }
        } catch let error as MessagePackError {
            throw DecodingError(error, decoding: type, codingPath: reader.codingPath(from: start, to: error.offset))
        }
    }
}

/// What is enough for values that need no decoder.
private struct PlainSource: ValueSource {
    var reader: MessagePackReader
    let origin: MessagePackDecoder.Origin
}

extension DecodingError {
    init(_ error: MessagePackError, decoding type: any Any.Type, codingPath: [any CodingKey]) {
        let context = Context(codingPath: codingPath, debugDescription: error.description, underlyingError: error)
        switch error.code {
        case .mismatch(_, found: .nil): self = .valueNotFound(type, context)
        case .mismatch: self = .typeMismatch(type, context)
        default: self = .dataCorrupted(context)
        }
    }
}
