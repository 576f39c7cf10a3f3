/// What the metadata of a type says that the language has no words for. The layouts are those of the Swift ABI
/// (`docs/ABI/TypeMetadata.rst` in the Swift repository, and `TargetEnumDescriptor` in its `Metadata.h`).
enum RuntimeTypes {
    private typealias AnyType = any Any.Type

    private static let enumKind: UInt = 0x201
    private static let functionKind: UInt = 0x302

    /// All values of an enum whose cases carry nothing; `nil` for other types.
    static func values<Value>(of type: Value.Type) -> [Value]? {
        let metadata = unsafeBitCast(type, to: UnsafeRawPointer.self)
        guard metadata.load(as: UInt.self) == enumKind else { return nil }
        let descriptor = metadata.load(fromByteOffset: 8, as: UnsafeRawPointer.self)
        let withPayload = descriptor.load(fromByteOffset: 20, as: UInt32.self) & 0x00ff_ffff
        let count = Int(descriptor.load(fromByteOffset: 24, as: UInt32.self))
        guard withPayload == 0, count > 0 else { return nil }
        // The number of its case is the value: nothing for one case, else a byte. What C has made may have gaps, and is larger.
        switch MemoryLayout<Value>.size {
        case 0 where count == 1: return [unsafeBitCast((), to: Value.self)]
        case 1 where count <= 256: return (0..<count).map { unsafeBitCast(UInt8($0), to: Value.self) }
        default: return nil
        }
    }

    /// Whether a type is an enum, of whatever cases.
    static func isEnum(_ type: any Any.Type) -> Bool {
        unsafeBitCast(type, to: UnsafeRawPointer.self).load(as: UInt.self) == enumKind
    }

    /// The types of a function's parameters and, last, of its result; `nil` for other types.
    static func signature(of type: any Any.Type) -> [any Any.Type]? {
        let metadata = unsafeBitCast(type, to: UnsafeRawPointer.self)
        guard metadata.load(as: UInt.self) == functionKind else { return nil }
        let count = Int(metadata.load(fromByteOffset: 8, as: UInt.self) & 0xffff)
        var types: [any Any.Type] = []
        for offset in (0..<count).map({ 24 + 8 * $0 }) + [16] { types.append(metadata.load(fromByteOffset: offset, as: AnyType.self)) }
        return types
    }

    /// The name of a type as people write it, with its module unless that is `Swift`.
    static func name(of type: any Any.Type) -> String { TypeText.readable(_typeName(type, qualified: true)) }
}
