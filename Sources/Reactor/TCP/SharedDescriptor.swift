internal import Glibc
internal import Synchronization

/// A descriptor that several threads use and one closes: the last user closes it, so that its number cannot come to mean something else
/// while it is in use.
struct SharedDescriptor: ~Copyable, Sendable {
    private static let closed: UInt32 = 1 << 31

    private let number: Int32
    /// How many use it now, and in the top bit whether it is to be closed.
    private let uses = Atomic<UInt32>(0)

    init(_ number: Int32) {
        self.number = number
    }

    /// Calls `body` with the descriptor; nil if it has been closed.
    func use<Result>(_ body: (Int32) -> Result) -> Result? {
        var seen = uses.load(ordering: .relaxed)
        while true {
            if seen & Self.closed != 0 { return nil }
            let (isExchanged, current) = uses.weakCompareExchange(expected: seen, desired: seen + 1, ordering: .acquiring)
            if isExchanged { break }
            seen = current
        }
        defer {
            if uses.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == Self.closed { Glibc.close(number) }
        }
        return body(number)
    }

    /// Closes the descriptor, now or when its last user is done.
    func close() {
        if uses.bitwiseOr(Self.closed, ordering: .acquiringAndReleasing).oldValue == 0 { Glibc.close(number) }
    }
}
