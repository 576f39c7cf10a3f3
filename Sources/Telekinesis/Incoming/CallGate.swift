internal import Synchronization

/// Which of the calls of one object run, where it takes only so many at once; the others wait in order. Pure.
struct CallPlaces<Call: AnyObject> {
    private let limit: Int
    private var running: Set<ObjectIdentifier> = []
    private var waiting: [Call?] = []
    private var first = 0

    /// - Parameter limit: how many, at least 1.
    init(limit: Int) { self.limit = limit }

    /// A call comes.
    ///
    /// - Returns: whether it may run; if not, it waits.
    mutating func enter(_ call: Call) -> Bool {
        guard running.count >= limit else {
            running.insert(ObjectIdentifier(call))
            return true
        }
        waiting.append(call)
        return false
    }

    /// A call gives up.
    ///
    /// - Returns: whether it waited, and does so no longer.
    mutating func giveUp(_ call: Call) -> Bool {
        guard let place = waiting.indices.dropFirst(first).first(where: { waiting[$0] === call }) else { return false }
        waiting.remove(at: place)
        return true
    }

    /// A call has its answer.
    ///
    /// - Returns: the one that may run in its place. None for a call that never ran.
    mutating func leave(_ call: Call) -> Call? {
        guard running.remove(ObjectIdentifier(call)) != nil else { return nil }
        while first < waiting.count {
            let next = waiting[first].take()
            first += 1
            if first == waiting.count || first >= 1024 {
                waiting.removeFirst(first)
                first = 0
            }
            if let next {
                running.insert(ObjectIdentifier(next))
                return next
            }
        }
        return nil
    }
}

/// The places of one object, behind a lock.
final class CallGate: Sendable {
    private let places: Mutex<CallPlaces<IncomingCall>>

    init(_ places: sending CallPlaces<IncomingCall>) { self.places = Mutex(places) }

    /// See ``CallPlaces/enter(_:)``.
    func enter(_ call: IncomingCall) -> Bool { places.withLock { $0.enter(call) } }

    /// See ``CallPlaces/giveUp(_:)``.
    func giveUp(_ call: IncomingCall) -> Bool { places.withLock { $0.giveUp(call) } }

    /// See ``CallPlaces/leave(_:)``.
    func leave(_ call: IncomingCall) -> IncomingCall? { places.withLock { $0.leave(call) } }
}
