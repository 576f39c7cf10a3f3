/// Encodes values as MessagePack.
///
/// Structs, classes and enums with payloads become maps with string keys, in the shape that the compiler's `Encodable` gives them.
/// `[UInt8]` and `Data` become binary values, `Date` a timestamp (extension -1), `URL` a string, integers too wide for 64 bits decimal strings.
/// If any part of a value throws, the whole does.
public struct MessagePackEncoder: Sendable {
    /// What `encode(to:)` methods find in their encoder's `userInfo`.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    /// Creates an encoder.
    public init() {}

    /// The bytes that stand for `value`.
    /// - Throws: `EncodingError`, and what the value's own `encode(to:)` throws.
    public func encode<Value: Encodable>(_ value: Value) throws -> [UInt8] {
        var writer = MessagePackWriter()
        try encode(value, into: &writer)
        return writer.bytes
    }

    /// Appends the bytes that stand for `value` to what `writer` holds, which is unchanged if this throws.
    /// - Throws: `EncodingError`, and what the value's own `encode(to:)` throws.
    public func encode<Value: Encodable>(_ value: Value, into writer: inout MessagePackWriter) throws {
        if try !encodePlain(value, into: &writer) { try encodeItself(value, into: &writer) }
    }

    /// Appends a value of a type that has a form of its own: none of anybody's code runs.
    /// - Returns: false, having written nothing, for the others, which ``encodeItself(_:into:)`` is for.
    package func encodePlain<Value>(_ value: Value, into writer: inout MessagePackWriter) throws -> Bool {
        do throws(MessagePackError) {
            return try writer.writePlain(value)
        } catch {
            throw EncodingError(error, encoding: Value.self, codingPath: [])
        }
    }

    /// Appends a value by way of its own `encode(to:)`.
    package func encodeItself<Value: Encodable>(_ value: Value, into writer: inout MessagePackWriter) throws {
        let start = writer.bytes.count
        let state = EncodingState(userInfo: userInfo, start: start)
        writer.reserve(256)
        swap(&state.writer, &writer)
        defer { swap(&state.writer, &writer) }
        do {
            try state.encodeItself(value)
            if let failure = state.failure { throw failure }
        } catch {
            state.writer.bytes.removeLast(state.writer.bytes.count - start)
            throw error
        }
    }
}
