internal import Reactor
internal import TelekinesisLink
internal import TelekinesisProtocol

/// The results that leave in parts, and how much of the room for those each caller has: until it has taken them.
struct Downloads {
    private struct Download {
        var parts: OutgoingParts
        let link: any FrameLink
        var timer: Timer?
    }

    private var all: [IncomingCall.ID: Download] = [:]
    private var bytes = Shares()

    var isEmpty: Bool { all.isEmpty }

    var count: Int { all.count }

    /// Whether a caller may have one more. The last one may go beyond the limits: whoever takes results as they come gets those of any size.
    func haveRoom(for caller: NodeID, limits: Uploads.Limits) -> Bool {
        bytes.total <= limits.bytes && bytes[caller] <= limits.bytesPerCaller
    }

    mutating func insert(_ transfer: OutgoingTransfer, _ id: IncomingCall.ID, on link: any FrameLink) {
        // Whoever uses an id twice has no more of the first.
        remove(id)
        all[id] = Download(parts: OutgoingParts(transfer), link: link)
        bytes.add(transfer.size, for: id.source)
    }

    /// Ends it at the deadline of its call.
    ///
    /// - Returns: `false` when it has ended before.
    mutating func set(_ timer: Timer, for id: IncomingCall.ID) -> Bool {
        guard all[id] != nil else { return false }
        all[id]?.timer = timer
        return true
    }

    /// It has left, or is not wanted any more.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    mutating func remove(_ id: IncomingCall.ID) -> Bool {
        guard let download = all.removeValue(forKey: id) else { return false }
        download.timer?.cancel()
        bytes.add(-download.parts.size, for: id.source)
        return true
    }

    /// The callers that satisfy a condition have gone.
    mutating func removeAll(where hasGone: (NodeID) -> Bool) {
        for id in all.keys.filter({ hasGone($0.source) }) { remove(id) }
    }

    // MARK: Sending

    /// See ``OutgoingParts/grant(_:)``.
    mutating func grant(_ amount: UInt32, _ id: IncomingCall.ID) { all[id]?.parts.grant(amount) }

    /// See ``OutgoingParts/begin()``.
    mutating func begin(_ id: IncomingCall.ID) -> Bool { all[id]?.parts.begin() ?? false }

    /// See ``OutgoingParts/next()``.
    mutating func next(_ id: IncomingCall.ID) -> (OutgoingParts.Part, any FrameLink)? {
        guard let part = all[id]?.parts.next(), let link = all[id]?.link else { return nil }
        return (part, link)
    }

    /// See ``OutgoingParts/putBack(_:)``.
    mutating func putBack(_ part: OutgoingParts.Part, _ id: IncomingCall.ID) { all[id]?.parts.putBack(part) }
}
