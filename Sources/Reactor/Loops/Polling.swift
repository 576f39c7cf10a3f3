internal import CSystem

/// Whether a loop looks for work for a short while before it sleeps.
///
/// Waking a sleeping thread costs more than all else in a small call. Polling avoids it where a processor is free, and costs both sides dearly
/// where it is not: on a single processor it has no effect.
public enum Polling: Sendable {
    /// Sleep at once.
    case off
    /// Poll for so long; less often where that has been of no use.
    case upTo(nanoseconds: UInt64)
}

/// Decides when to poll, from how often it was of use.
struct Spinner {
    /// Fruitless attempts after which only every 32nd is made.
    private static let patience = 16

    let nanoseconds: UInt64
    private var misses = 0
    private var skipped = 0

    init(_ polling: Polling, processors: Int = Int(tk_usable_processors())) {
        switch polling {
        case .upTo(let time) where processors > 1: nanoseconds = time
        default: nanoseconds = 0
        }
    }

    /// Whether to poll before the sleep that comes now.
    mutating func spinsNow() -> Bool {
        if nanoseconds == 0 { return false }
        if misses < Self.patience { return true }
        skipped += 1
        return skipped % 32 == 0
    }

    mutating func found() {
        misses = 0
    }

    mutating func missed() {
        misses += 1
    }
}
