internal import CSystem

/// Whether a loop looks for work for a short while before it sleeps.
///
/// Waking a sleeping thread costs more than all else in a small call. Polling avoids it where whoever brings the work runs on another processor
/// meanwhile; where both share one, it only keeps them from running. So a process that may use a single processor polls only after a rare
/// attempt has met with success, which happens if the other side is elsewhere.
public enum Polling: Sendable {
    /// Sleep at once.
    case off
    /// Poll for so long; seldom where that has been of no use.
    case upTo(nanoseconds: UInt64)
}

/// Decides when to poll, from how often it was of use.
struct Spinner {
    let nanoseconds: UInt64
    /// Fruitless attempts in a row after which only few are made,
    private let patience: Int
    /// namely one in so many.
    private let interval: Int
    private let isAlone: Bool
    /// How often the calling thread has had to give its processor up.
    private let preemptions: @Sendable () -> Int
    private var preemptionsBefore = 0
    private var misses: Int
    private var skipped = 0

    init(
        _ polling: Polling, processors: Int = Int(tk_usable_processors()),
        preemptions: @escaping @Sendable () -> Int = { tk_preemptions() }
    ) {
        self.preemptions = preemptions
        let time: UInt64 =
            switch polling {
            case .upTo(let time): time
            case .off: 0
            }
        isAlone = processors == 1
        // Long enough for the answer of a peer that must be woken first, or two sides that try seldom would never meet.
        nanoseconds = time > 0 && isAlone ? max(time, 100_000) : time
        (patience, interval) = isAlone ? (4, 4096) : (16, 32)
        misses = isAlone ? patience : 0
    }

    /// Whether to poll before the sleep that comes now.
    mutating func spinsNow() -> Bool {
        if nanoseconds == 0 { return false }
        if misses >= patience {
            skipped += 1
            if skipped % interval != 0 { return false }
        }
        if isAlone { preemptionsBefore = preemptions() }
        return true
    }

    /// Work came. On a single processor it may have been made there, by someone who had to take the processor away from the poller.
    mutating func found() {
        if isAlone, preemptions() != preemptionsBefore { missed() } else { misses = 0 }
    }

    mutating func missed() {
        misses += 1
    }
}
