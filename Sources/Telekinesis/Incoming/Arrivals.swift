internal import TelekinesisProtocol

/// Keeps the calls of one caller to one object in order while large arguments among them arrive.
///
/// The first frame of a large call comes in its turn, but the data behind it travels in a lane of its own, and small calls that were made later pass it
/// on each link of the way. Here they wait until the large one is whole. Pure: says what may start, starts nothing.
struct Arrivals {
    /// One caller and one object.
    struct Place: Hashable {
        let source: NodeID
        let key: ActorKey
    }

    private enum Slot {
        case arriving(CallID)
        case call(IncomingCall)
    }

    private var queues: [Place: ArraySlice<Slot>] = [:]

    var isEmpty: Bool { queues.isEmpty }

    /// The first part of a large call has come.
    mutating func begin(_ id: CallID, at place: Place) { queues[place, default: []].append(.arriving(id)) }

    /// Puts a call behind a large one that came before it.
    ///
    /// - Returns: `false` when there is none, and the call may start.
    mutating func hold(_ call: IncomingCall, at place: Place) -> Bool {
        guard queues[place] != nil else { return false }
        queues[place]?.append(.call(call))
        return true
    }

    /// A large call is whole, and takes its turn; or it ended before that.
    mutating func end(_ id: CallID, at place: Place, with call: IncomingCall?) {
        guard
            let index = queues[place]?.firstIndex(where: { slot in
                if case .arriving(id) = slot { true } else { false }
            })
        else { return }
        if let call { queues[place]?[index] = .call(call) } else { queues[place]?.remove(at: index) }
    }

    /// The next call whose turn it is; `nil` when there is none now.
    mutating func next(at place: Place) -> IncomingCall? {
        guard case .call(let call)? = queues[place]?.first else {
            if queues[place]?.isEmpty == true { queues[place] = nil }
            return nil
        }
        queues[place]?.removeFirst()
        return call
    }
}
