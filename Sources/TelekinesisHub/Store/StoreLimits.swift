/// What the hub keeps of values that nodes hand over by reference, and for how long.
public struct StoreLimits: Sendable {
    /// Bytes of one value.
    public var valueBytes = 256 * 1024 * 1024
    /// Bytes that one session may have stored: charged to it until they are removed, or it ends.
    public var sessionBytes = 1024 * 1024 * 1024
    /// Bytes of all values together.
    public var totalBytes = 4 * 1024 * 1024 * 1024
    /// Different values that the hub keeps.
    public var values = 100_000
    /// Different values that one session may hold, those that it is storing included; and of which it has stored as many may still be there.
    public var heldPerSession = 10_000
    /// Values that one session may be storing at once.
    public var uploadsPerSession = 64
    /// Bytes of pieces, of all sessions, that may wait for the disk.
    public var waitingBytes = 64 * 1024 * 1024
    /// How long a value is kept after the last use, when nobody holds it: at least as long as calls that carry references to it may take.
    public var linger: Duration = .seconds(3600)

    /// The default limits.
    public init() {}
}
