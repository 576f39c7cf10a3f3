/// Where the result of a method is written to.
package protocol ResultSink {
    /// Takes the result.
    mutating func write<Result: Codable>(_ result: Result) throws
    /// Takes the end of a method that has no result.
    mutating func writeVoid() throws
}

/// What a method returned: owned here until it is written or dropped.
///
/// Sendable because it has the only reference to its memory.
package struct MethodResult: ~Copyable, @unchecked Sendable {
    private let memory: UnsafeMutableRawPointer
    private let type: ResultType

    private let scratch: ResultScratch?

    init(at memory: UnsafeMutableRawPointer, type: ResultType, _ scratch: ResultScratch?) {
        self.memory = memory
        self.scratch = scratch
        self.type = type
    }

    /// Writes the result. When that fails, answer the call with an error instead: nothing else will.
    package func write<Sink: ResultSink>(into sink: inout Sink) throws {
        try type.write(memory, into: &sink)
    }

    deinit {
        type.destroy(memory)
        type.deallocate(memory, scratch)
    }
}

/// Memory for a small result, used again by one call after the other.
///
/// Sendable because it belongs to one task, which executes one call at a time.
package final class ResultScratch: @unchecked Sendable {
    private static let size = 64
    private static let alignment = 16
    fileprivate let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: alignment)

    package init() {}

    deinit { memory.deallocate() }

    fileprivate static func fits<Result>(_: Result.Type) -> Bool {
        MemoryLayout<Result>.size <= size && MemoryLayout<Result>.alignment <= alignment
    }
}

/// How to keep, write and destroy results of one type. This one is `Void`: there is nothing to do.
class ResultType: @unchecked Sendable {  // No stored properties, here or below.
    /// The way of results of `type`; `nil` when they cannot be encoded.
    static func of(_ type: any Any.Type) -> ResultType? {
        func typed<Result: Codable>(_: Result.Type) -> ResultType { TypedResult<Result>() }
        if type == Void.self { return ResultType() }
        return (type as? any Codable.Type).map { typed($0) }
    }

    /// Memory for a result that is still to come: the scratch where it fits.
    func allocate(_ scratch: ResultScratch?) -> UnsafeMutableRawPointer { scratch?.memory ?? .allocate(byteCount: 1, alignment: 1) }

    /// Ends the life of memory that has no value.
    func deallocate(_ memory: UnsafeMutableRawPointer, _ scratch: ResultScratch?) {
        if memory != scratch?.memory { memory.deallocate() }
    }

    /// Ends the life of the value in `memory`.
    func destroy(_ memory: UnsafeMutableRawPointer) {}

    /// Writes the value in `memory`.
    func write<Sink: ResultSink>(_ memory: UnsafeMutableRawPointer, into sink: inout Sink) throws {
        try sink.writeVoid()
    }
}

private final class TypedResult<Result: Codable>: ResultType, @unchecked Sendable {
    override func allocate(_ scratch: ResultScratch?) -> UnsafeMutableRawPointer {
        if let scratch, ResultScratch.fits(Result.self) { return scratch.memory }
        return UnsafeMutableRawPointer(UnsafeMutablePointer<Result>.allocate(capacity: 1))
    }

    override func deallocate(_ memory: UnsafeMutableRawPointer, _ scratch: ResultScratch?) {
        if memory != scratch?.memory { memory.assumingMemoryBound(to: Result.self).deallocate() }
    }

    override func destroy(_ memory: UnsafeMutableRawPointer) { memory.assumingMemoryBound(to: Result.self).deinitialize(count: 1) }

    override func write<Sink: ResultSink>(_ memory: UnsafeMutableRawPointer, into sink: inout Sink) throws {
        try sink.write(memory.assumingMemoryBound(to: Result.self).pointee)
    }
}
