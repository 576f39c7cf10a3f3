import Synchronization

/// A value whose copies are counted: nothing of a call may stay behind.
package final class Tracked: Codable, Sendable {
    private static let living = Atomic<Int>(0)
    package static var count: Int { living.load(ordering: .sequentiallyConsistent) }

    package init() { Self.living.add(1, ordering: .sequentiallyConsistent) }
    package init(from decoder: any Decoder) throws { Self.living.add(1, ordering: .sequentiallyConsistent) }
    package func encode(to encoder: any Encoder) throws {}

    deinit { Self.living.subtract(1, ordering: .sequentiallyConsistent) }
}

/// A result that fits into no register.
package struct Big: Codable, Equatable, Sendable {
    package var words = [1, 2, 3]
    package var a = 1.0, b = "two", c: Int8 = 3, d = [4: "five"], e: UInt64? = 6

    package init() {}
}
