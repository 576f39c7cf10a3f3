extension MessagePackWriter {
    /// Appends a Boolean or a number to a buffer that somebody else keeps: no code of the value's own runs, and at most nine bytes are added.
    ///
    /// - Returns: `false`, having appended nothing, for other types.
    @inline(__always)
    package static func appendScalar<Value>(_ value: Value, to bytes: inout [UInt8]) -> Bool {
        guard
            Value.self == Int.self || Value.self == Int64.self || Value.self == Double.self || Value.self == Bool.self
                || Value.self == UInt8.self || Value.self == Int32.self || Value.self == UInt32.self || Value.self == UInt64.self
                || Value.self == Float.self
        else { return false }
        var writer = MessagePackWriter()
        swap(&writer.bytes, &bytes)
        defer { swap(&writer.bytes, &bytes) }
        // None of these can fail.
        return (try? writer.writePlain(value)) ?? false
    }
}
