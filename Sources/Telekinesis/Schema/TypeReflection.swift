@_spi(Reflection) internal import Swift

private typealias Metatype = any Any.Type

/// What the compiler leaves in the binary about a type, beside its conformances.
enum TypeReflection {
    /// The name of a type as one would write it, with its module unless it is `Swift`.
    static func name(of type: any Any.Type) -> String { readable(_typeName(type, qualified: true)) }

    private static func readable(_ name: String) -> String {
        let components = DemangledText.components(name, separator: ".")
        // Within a generic type, a type is another one for each of its arguments.
        guard components.dropLast().contains(where: { $0.last == ">" }), let last = components.last else { return TypeText.readable(name) }
        return "\(readable(components.dropLast().joined(separator: "."))).\(TypeText.readable(last))"
    }

    /// Whether the type is an enumeration.
    static func isEnumeration(_ type: any Any.Type) -> Bool { enumeration(type) != nil }

    /// All values of an enumeration whose cases have no payloads, in the order of their declaration; `nil` for any other type.
    ///
    /// Such an enumeration takes the smallest number of bytes that its cases fit in, and holds the index of the case
    /// (docs/ABI/TypeLayout.rst, "C-Like Enums").
    static func plainCases<Value>(of type: Value.Type) -> [Value]? {
        guard let enumeration = enumeration(type), enumeration.payloadCases == 0, (1...0xffff).contains(enumeration.plainCases) else {
            return nil
        }
        let size = enumeration.plainCases == 1 ? 0 : enumeration.plainCases <= 0x100 ? 1 : 2
        // One that is C's has another layout.
        guard MemoryLayout<Value>.size == size else { return nil }
        return (0..<UInt64(enumeration.plainCases)).map { index in
            withUnsafeBytes(of: index.littleEndian) { $0.load(as: Value.self) }
        }
    }

    /// The name of the case in the source.
    static func caseName<Value>(of value: Value) -> String? { enumCaseName(value).map { String(cString: $0) } }

    /// The stored properties of a structure or a class and its superclasses.
    static func storedProperties(of type: any Any.Type) -> [String: any Any.Type] {
        var properties: [String: any Any.Type] = [:]
        // The option is `classType`, which is asked for exactly with classes.
        let options = _EachFieldOptions(rawValue: type is AnyObject.Type ? 1 : 0)
        _ = _forEachField(of: type, options: options) { name, _, type, _ in
            properties[String(cString: name)] = type
            return true
        }
        return properties
    }

    /// The types of a function type's parameters and result; `nil` for anything else.
    ///
    /// A function's metadata is its kind, flags with the number of parameters in the lower sixteen bits, the result, and the parameters
    /// (swift/ABI/Metadata.h, `TargetFunctionTypeMetadata`).
    static func function(_ type: any Any.Type) -> SignatureTypes? {
        let metadata = unsafeBitCast(type, to: UnsafeRawPointer.self)
        let word = MemoryLayout<UInt>.size
        guard metadata.load(as: UInt.self) == 0x302 else { return nil }
        let count = Int(metadata.load(fromByteOffset: word, as: UInt.self) & 0xffff)
        var parameters: [Metatype] = []
        for index in 0..<count { parameters.append(metadata.load(fromByteOffset: (3 + index) * word, as: Metatype.self)) }
        return SignatureTypes(parameters: parameters, result: metadata.load(fromByteOffset: 2 * word, as: Metatype.self))
    }

    /// How many cases an enumeration has (swift/ABI/Metadata.h, `TargetEnumDescriptor`): behind the five fields that all descriptors of types have,
    /// the number of those with payloads in the lower 24 bits of a word, then that of the others.
    private static func enumeration(_ type: any Any.Type) -> (payloadCases: Int, plainCases: Int)? {
        guard let descriptor = typeContextDescriptor(unsafeBitCast(type, to: UnsafeRawPointer.self)),
            descriptor.load(as: UInt32.self) & 0x1f == 18
        else { return nil }
        return (
            Int(descriptor.load(fromByteOffset: 20, as: UInt32.self) & 0xff_ffff), Int(descriptor.load(fromByteOffset: 24, as: UInt32.self))
        )
    }
}

@_silgen_name("swift_EnumCaseName")
private func enumCaseName<Value>(_ value: Value) -> UnsafePointer<CChar>?

@_silgen_name("swift_getTypeContextDescriptor")
private func typeContextDescriptor(_ metadata: UnsafeRawPointer) -> UnsafeRawPointer?
