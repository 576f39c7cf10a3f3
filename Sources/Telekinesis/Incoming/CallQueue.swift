/// A call as the queue sees it.
protocol QueuedCall {
    /// Those that are equal in it are executed in the order in which they came.
    associatedtype Order: Hashable, Sendable

    var order: Order { get }
}

/// The calls of a dispatcher: first in, first out, but for those that must wait for an earlier one that has been taken and has not arrived at its object.
///
/// Events: a call is appended; the next one is taken; the one taken last turns out to be late, so calls of its order wait behind it; it has arrived, and
/// they are first in the queue.
struct CallQueue<Call: QueuedCall>: ~Copyable {
    /// What a taken call is known by until it has arrived.
    struct Way: Sendable {
        /// Never 0.
        let ticket: UInt64
        let order: Call.Order
    }

    /// A call, and its way.
    struct Taken {
        let call: Call
        let way: Way
    }

    private struct Late {
        let ticket: UInt64
        var waiting: [Call] = []
    }

    private var calls: [Call?] = []
    private var first = 0
    private var last: Way?
    /// The calls that are late, with those that wait for them. Nearly always empty.
    private var late: [Call.Order: Late] = [:]

    /// Whether there is nothing to be taken. Calls that wait for a late one do not count.
    var isEmpty: Bool { first == calls.count }

    mutating func append(_ call: Call) { calls.append(call) }

    /// Takes the next call that need not wait.
    mutating func next() -> Taken? {
        while let call = popFirst() {
            let order = call.order
            if !late.isEmpty, late[order] != nil {
                late[order]?.waiting.append(call)
                continue
            }
            let way = Way(ticket: (last?.ticket ?? 0) + 1, order: order)
            last = way
            return Taken(call: call, way: way)
        }
        return nil
    }

    /// The call that was taken last is late: from now on calls of its order wait for it.
    ///
    /// - Parameter ticket: its ticket. If another was taken meanwhile, nothing happens.
    mutating func waitForLast(_ ticket: UInt64) {
        guard let last, last.ticket == ticket else { return }
        late[last.order] = Late(ticket: ticket)
    }

    /// A call has arrived: what waits for it goes to the front.
    ///
    /// - Returns: whether there is something to be taken now.
    mutating func letPass(_ way: Way) -> Bool {
        guard late[way.order]?.ticket == way.ticket, let waiting = late.removeValue(forKey: way.order)?.waiting, !waiting.isEmpty else {
            return false
        }
        calls.insert(contentsOf: waiting, at: first)
        return true
    }

    private mutating func popFirst() -> Call? {
        guard first < calls.count else { return nil }
        let call = calls[first].take()
        first += 1
        if first == calls.count {
            calls.removeAll(keepingCapacity: calls.capacity <= 1024)
            first = 0
        } else if first >= 1024 {
            calls.removeFirst(first)
            first = 0
        }
        return call
    }
}
