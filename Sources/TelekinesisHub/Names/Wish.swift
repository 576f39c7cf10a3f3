/// What the calls of a route ask of the provider they go to.
enum Wish: Sendable {
    /// Whichever the name's balancing chooses.
    case any
    /// Always the same one for the same number, as long as it is there.
    case sticky(UInt64)
    /// The place that the caller holds, and no other.
    case reserved(Provider)

    /// Whether two ask for the same.
    static func == (one: Wish, other: Wish) -> Bool {
        switch (one, other) {
        case (.any, .any): true
        case (.sticky(let one), .sticky(let other)): one == other
        case (.reserved(let one), .reserved(let other)): one === other
        default: false
        }
    }
}

/// A name that a session calls under a handle.
struct Route: Sendable {
    let entry: NameEntry
    let wish: Wish
}
