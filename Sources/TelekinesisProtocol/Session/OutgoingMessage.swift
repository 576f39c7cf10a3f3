/// A message on its way out, with free bytes in front for the heads that are still to be written.
public struct OutgoingMessage: Equatable, Sendable {
    /// Free bytes, then the message or its beginning.
    public var bytes: [UInt8]
    /// Where in `bytes` it begins.
    public var start: Int
    /// Its end, where that lies elsewhere: parts of large values are sent from where they are. Somebody else's, so never changed.
    public var tail: ArraySlice<UInt8>?

    /// A message that begins at `start`.
    public init(bytes: [UInt8], start: Int, tail: ArraySlice<UInt8>? = nil) {
        self.bytes = bytes
        self.start = start
        self.tail = tail
    }

    /// How many bytes it has.
    public var count: Int { bytes.count - start + (tail?.count ?? 0) }
}
