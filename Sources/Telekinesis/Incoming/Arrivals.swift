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

        var call: IncomingCall? { if case .call(let call) = self { call } else { nil } }
    }

    private var queues: [Place: [Slot]] = [:]
    /// Where each call waits whose turn has not come.
    private var places: [ObjectIdentifier: Place] = [:]

    var isEmpty: Bool { queues.isEmpty }

    /// The first part of a large call has come.
    mutating func begin(_ id: CallID, at place: Place) { queues[place, default: []].append(.arriving(id)) }

    /// Puts a call behind a large one that came before it.
    ///
    /// - Returns: `false` when there is none, and the call may start.
    mutating func hold(_ call: IncomingCall, at place: Place) -> Bool {
        guard queues[place] != nil else { return false }
        queues[place]?.append(.call(call))
        places[ObjectIdentifier(call)] = place
        return true
    }

    /// A large call is whole, and takes its turn; or it ended before that.
    mutating func end(_ id: CallID, at place: Place, with call: IncomingCall?) {
        guard
            let index = queues[place]?.firstIndex(where: { slot in
                if case .arriving(id) = slot { true } else { false }
            })
        else { return }
        if let call {
            queues[place]?[index] = .call(call)
            places[ObjectIdentifier(call)] = place
        } else {
            queues[place]?.remove(at: index)
        }
    }

    /// A call is not wanted any more.
    ///
    /// - Returns: whether it waited here, and does so no longer.
    mutating func giveUp(_ call: IncomingCall) -> Bool {
        guard let place = places.removeValue(forKey: ObjectIdentifier(call)) else { return false }
        if let index = queues[place]?.firstIndex(where: { $0.call === call }) { queues[place]?.remove(at: index) }
        return true
    }

    /// The calls whose turn it is, in order; `nil` when there are none now.
    mutating func next(at place: Place) -> [IncomingCall]? {
        let calls = queues[place]?.prefix { $0.call != nil }.compactMap(\.call) ?? []
        guard !calls.isEmpty else {
            if queues[place]?.isEmpty == true { queues[place] = nil }
            return nil
        }
        queues[place]?.removeFirst(calls.count)
        for call in calls { places[ObjectIdentifier(call)] = nil }
        return calls
    }
}
