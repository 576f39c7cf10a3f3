internal import TelekinesisProtocol

/// How many calls each caller has at this provider, so that none takes the room of all others.
///
/// Callers are told apart only while so many calls are here that one of them may have reached its share. At other times nothing is counted, and a call
/// costs nothing.
struct CallerShares: ~Copyable {
    private let limit: Int
    private var counts = IntegerTable<Int>()
    private var isCounting = false

    /// - Parameter limit: the calls that one caller may have here.
    init(limit: Int) { self.limit = limit }

    /// Whether a caller may have one more call here.
    @inline(__always)
    mutating func admit(_ caller: NodeID, beside running: borrowing PairTable<IncomingCall>) -> Bool {
        running.count < limit || count(caller, among: running) < limit
    }

    @inline(never)
    private mutating func count(_ caller: NodeID, among running: borrowing PairTable<IncomingCall>) -> Int {
        if !isCounting {
            isCounting = true
            running.forEach { begin($1.id.source) }
        }
        return counts[caller.rawValue] ?? 0
    }

    /// A caller has one call more.
    @inline(__always)
    mutating func began(_ caller: NodeID) { if isCounting { begin(caller) } }

    private mutating func begin(_ caller: NodeID) {
        if counts.update(caller.rawValue, { $0 += 1 }) == nil { counts.insert(1, for: caller.rawValue) }
    }

    /// A caller has one call less.
    ///
    /// - Parameter remaining: the calls of all callers that are left.
    @inline(__always)
    mutating func ended(_ caller: NodeID, remaining: Int) { if isCounting { end(caller, remaining) } }

    private mutating func end(_ caller: NodeID, _ remaining: Int) {
        guard remaining >= limit / 2 else {
            isCounting = false
            _ = counts.removeAll()
            return
        }
        let left = counts.update(caller.rawValue) { count -> Int in
            count -= 1
            return count
        }
        if left == 0 { counts.remove(caller.rawValue) }
    }
}
