internal import FoundationEssentials
internal import TelekinesisProtocol

/// A type whose structure on the wire is known without decoding one of its values.
protocol ShapedType {
    /// Its structure.
    static func shape(in walk: ShapeWalk) -> TypeShape
    /// Some value of it, for types that are probed and have one within them.
    ///
    /// - Throws: when none can be made.
    static func sample(in walk: ShapeWalk) throws -> Self
}

extension Bool: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.bool) }
    static func sample(in walk: ShapeWalk) -> Bool { false }
}

/// An integer: probing reads 1, by which one can divide, and of which there may be one.
private protocol ShapedInteger: FixedWidthInteger, ShapedType {}

extension ShapedInteger {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(isSigned ? .int : .uint, bits: bitWidth) }
    static func sample(in walk: ShapeWalk) -> Self { 1 }
}

extension Int: ShapedInteger {}
extension Int8: ShapedInteger {}
extension Int16: ShapedInteger {}
extension Int32: ShapedInteger {}
extension Int64: ShapedInteger {}
extension Int128: ShapedInteger {}
extension UInt: ShapedInteger {}
extension UInt8: ShapedInteger {}
extension UInt16: ShapedInteger {}
extension UInt32: ShapedInteger {}
extension UInt64: ShapedInteger {}
extension UInt128: ShapedInteger {}

extension Float: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.float, bits: 32) }
    static func sample(in walk: ShapeWalk) -> Float { 1 }
}

extension Double: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.float, bits: 64) }
    static func sample(in walk: ShapeWalk) -> Double { 1 }
}

extension String: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.string) }
    /// Not empty, a number, and good for a URL.
    static func sample(in walk: ShapeWalk) -> String { "1" }
}

extension Data: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.bytes) }
    static func sample(in walk: ShapeWalk) -> Data { Data() }
}

extension Date: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.date) }
    static func sample(in walk: ShapeWalk) -> Date { Date(timeIntervalSinceReferenceDate: 0) }
}

extension UUID: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.string) }
    static func sample(in walk: ShapeWalk) -> UUID { UUID() }
}

extension URL: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.string) }
    static func sample(in walk: ShapeWalk) throws -> URL {
        guard let url = URL(string: "http://localhost/") else { throw ShapeWalk.NoSample() }
        return url
    }
}

extension Optional: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.optional, of: [walk.shape(of: Wrapped.self)]) }
    static func sample(in walk: ShapeWalk) -> Wrapped? { nil }
}

extension Array: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape {
        Element.self == UInt8.self ? TypeShape(.bytes) : TypeShape(.array, of: [walk.shape(of: Element.self)])
    }
    static func sample(in walk: ShapeWalk) -> [Element] { [] }
}

extension Set: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.array, of: [walk.shape(of: Element.self)]) }
    static func sample(in walk: ShapeWalk) -> Set<Element> { [] }
}

extension Dictionary: ShapedType {
    /// Keys that are no texts or integers travel in an array, each before its value (SE-0320).
    static func shape(in walk: ShapeWalk) -> TypeShape {
        TypeShape(.dictionary, of: [walk.shape(of: Key.self), walk.shape(of: Value.self)])
    }
    static func sample(in walk: ShapeWalk) -> [Key: Value] { [:] }
}

// MARK: - Types of this library

extension RemoteFunction: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape {
        guard let signature = RuntimeTypes.signature(of: Signature.self) else { return TypeShape(.function, name: "\(Signature.self)") }
        return TypeShape(.function, of: signature.map { walk.shape(of: $0) })
    }
    static func sample(in walk: ShapeWalk) -> RemoteFunction { RemoteFunction(.there(walk.nobody, walk.node)) }
}

extension RemoteStream: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.stream, of: [walk.shape(of: Element.self)]) }
    static func sample(in walk: ShapeWalk) -> RemoteStream { RemoteStream(walk.nobody, walk.node) }
}

extension RemoteState: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.state, of: [walk.shape(of: Value.self)]) }
    static func sample(in walk: ShapeWalk) -> RemoteState { RemoteState(walk.nobody, walk.node) }
}

extension StoredData: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.stored, of: [TypeShape(.bytes)]) }
    static func sample(in walk: ShapeWalk) -> StoredData { StoredData([]) }
}

extension Stored: ShapedType {
    static func shape(in walk: ShapeWalk) -> TypeShape { TypeShape(.stored, of: [walk.shape(of: Value.self)]) }
    static func sample(in walk: ShapeWalk) throws -> Stored { Stored(try walk.sample(of: Value.self)) }
}
