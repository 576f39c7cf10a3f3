public import TelekinesisLink
public import TelekinesisProtocol

/// How a node behaves.
public struct NodeConfiguration: Sendable {
    /// Program and version as the hub's operators see it.
    public var agent = "telekinesis-swift"
    /// Ways to authenticate, best first: `[try SharedSecret(file: "hub.secret")]`. `nil`: the shared secret in the file that `TK_SECRET_FILE` names, where
    /// it does and the hub is not in this process; else none, which does for hubs that only their own machine can reach.
    public var credentials: [any Credential]?
    /// The longest argument list or result that is taken, in bytes, assembled.
    public var maximumValue = 16 * 1024 * 1024
    /// The bytes of arguments that calls from others may have here, from the first part on until they have their answers; those of up to 4 KiB do not
    /// count. Above the same number, large results that callers have not taken yet keep all from getting more.
    public var maximumPartialBytes = 256 * 1024 * 1024
    /// Those of them that the calls of one other node may have; one value of ``maximumValue`` in any case. Above the same number, large results
    /// that it has not taken yet keep it from getting more.
    public var maximumPartialBytesPerCaller = 64 * 1024 * 1024
    /// The bytes of large results that may be under way to this node at once, not yet whole; one value of ``maximumValue`` in any case. A call whose
    /// result does not fit any more fails with `overloaded`.
    public var maximumPartialResultBytes = 64 * 1024 * 1024
    /// Calls of this node that may await their answers at once.
    public var maximumCalls = 10_000
    /// Calls from others that may wait or run here at once.
    public var maximumIncomingCalls = 10_000
    /// Those of them that one other node may have.
    public var maximumCallsPerCaller = 5_000
    /// Calls that may wait or run at one object at once.
    public var maximumCallsPerObject = 10_000
    /// Objects that one other node may hold here: instances of published classes, and whatever was handed to it.
    public var maximumHeldObjects = 100_000
    /// Streams of this node that one other node may read at once.
    public var maximumStreams = 1_000
    /// Where large values are stored that are handed over by reference; `nil`: at the hub. All programs that hand them to each other need the same.
    public var store: (any ValueStore)?
    /// The longest of these values that is fetched, in bytes.
    public var maximumStoredValue = 256 * 1024 * 1024
    /// Bytes of them that the calls which are served here, and results that are being read, may have brought at once.
    public var maximumFetchedBytes = 512 * 1024 * 1024
    /// How long a provider that shuts down lets running calls finish.
    public var drainTime: Duration = .seconds(30)
    /// Poll before sleeping, where more than one processor is there: shorter round trips for more work.
    public var polling = false
    /// What callers of the published names must write: for a program that stands in front of another, which reads nothing else.
    package var onlyEncoding: OnlyEncoding?
    /// Bounds of the connection.
    public var link = LinkLimits()
    /// Where messages go that no error can carry.
    public var logger = LogHandler.standardError

    /// The defaults.
    public init() {}

    /// The same with the secret of the environment, where no credentials are given.
    func completed(secretFile: String?) throws -> NodeConfiguration {
        guard credentials == nil, let secretFile else { return self }
        var configuration = self
        configuration.credentials = [try SharedSecret(file: secretFile)]
        return configuration
    }
}
