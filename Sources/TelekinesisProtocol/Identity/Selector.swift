/// The name of a method as it travels: a 64-bit hash.
///
/// A hash needs no table that two ends must agree on, and no hostile method name can arrive in one. A collision within one type is refused when
/// the type's table is made.
public struct Selector: Hashable, Sendable {
    /// FNV-1a-64 of the UTF-8 wire name; 0 says that the name is in the body.
    public let rawValue: UInt64

    /// The selector of a wire name such as `increment(by:)`.
    public init(wireName: String) {
        var hash = FNV1a64()
        hash.combine(wireName.utf8)
        rawValue = hash.value
    }

    /// A selector that came in.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
}
