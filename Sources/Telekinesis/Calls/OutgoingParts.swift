internal import TelekinesisProtocol

/// A large value on its way out. One after the other sends its parts, as they become free to leave, so that they stay in order. Pure: sends nothing.
struct OutgoingParts: Sendable {
    typealias Part = (part: ArraySlice<UInt8>, isLast: Bool)

    private var transfer: OutgoingTransfer
    /// Somebody is sending.
    private var isBeingSent = false
    /// A part for which there was no room.
    private var unsent: Part?

    /// How long to wait for room on the link, in nanoseconds.
    static let pause: Int64 = 2_000_000

    init(_ transfer: OutgoingTransfer) { self.transfer = transfer }

    /// Bytes of the whole value.
    var size: Int { transfer.size }

    /// The receiver lets more go.
    mutating func grant(_ amount: UInt32) { transfer.grant(amount) }

    /// Somebody is about to send what may leave.
    ///
    /// - Returns: `false` when somebody else does.
    mutating func begin() -> Bool {
        defer { isBeingSent = true }
        return !isBeingSent
    }

    /// The next part; `nil` when there is none now, and the sending has ended.
    mutating func next() -> Part? {
        if let part = unsent.take() ?? transfer.next() { return part }
        isBeingSent = false
        return nil
    }

    /// There was no room for a part: the sending has ended, and begins with this one again.
    mutating func putBack(_ part: Part) {
        unsent = part
        isBeingSent = false
    }
}
