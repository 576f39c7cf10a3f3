internal import CSystem
internal import Distributed

/// The message that is being encoded or decoded on this thread: its table of references, and the node whose message it is.
///
/// Values that are references find it in their `encode(to:)` and `init(from:)`, however deep they are nested. A slot of the thread costs a call
/// next to nothing, where a dictionary of user info would have to be made for each. For the same reason it cannot be copied, and what whoever encodes or
/// decodes holds anyway is not held a second time.
struct CodingScope: ~Copyable {
    /// Held by whoever encodes or decodes.
    private let unretainedHome: Unmanaged<NodeHome>
    /// What the message hands over; made when the first reference is written.
    private(set) var outgoing: OutgoingReferences?
    /// What came with the message. Held by whoever decodes.
    private let unretainedReceived: Unmanaged<ReceivedReferences>?
    /// Of an answer with references, what was called. Held by whoever decodes.
    private let unretainedOrigin: Unmanaged<ActorTarget>?
    /// Whether the message may have storable values, which are stored before it leaves, or fetched before it is used.
    private let takesValues: Bool
    /// Those that are written; made when there is one.
    private(set) var values: OutgoingValues?
    /// Those that were fetched. Held by whoever decodes.
    private let unretainedFetched: Unmanaged<FetchedValues>?
    /// What must be fetched before the message can be read.
    private(set) var needed: FetchRequest?
    /// Whether the message is JSON when it travels: then references are text.
    private let isText: Bool
    /// Whether a reference was written.
    private(set) var hasReferences = false

    /// A scope for writing a message, or going on with writing it.
    @inline(__always)
    init(
        writing outgoing: OutgoingReferences?, home: Unmanaged<NodeHome>, values: OutgoingValues? = nil, takesValues: Bool = false,
        asText isText: Bool = false
    ) {
        unretainedHome = home
        self.outgoing = outgoing
        self.values = values
        self.takesValues = takesValues
        self.isText = isText
        unretainedReceived = nil
        unretainedOrigin = nil
        unretainedFetched = nil
    }

    /// A scope for reading a message. The caller holds all that it is given until the scope ends.
    @inline(__always)
    init(
        reading received: ReceivedReferences?, origin: ActorTarget? = nil, home: Unmanaged<NodeHome>, fetched: FetchedValues? = nil,
        takesValues: Bool = false, asText isText: Bool = false
    ) {
        unretainedHome = home
        self.isText = isText
        unretainedReceived = received.map(Unmanaged.passUnretained)
        unretainedOrigin = origin.map(Unmanaged.passUnretained)
        unretainedFetched = fetched.map(Unmanaged.passUnretained)
        self.takesValues = takesValues
    }

    /// Runs `body`, which encodes or decodes on this thread, in the scope.
    @inline(__always)
    mutating func run<Result>(_ body: () throws -> Result) rethrows -> Result {
        try withUnsafeMutablePointer(to: &self) { scope in
            let outer = tk_coding_slot()
            tk_set_coding_slot(scope)
            defer { tk_set_coding_slot(outer) }
            return try body()
        }
    }

    private static var current: UnsafeMutablePointer<CodingScope>? { tk_coding_slot()?.assumingMemoryBound(to: CodingScope.self) }

    /// The node of the message that this thread reads or writes.
    static var home: NodeHome? { current?.pointee.unretainedHome.takeUnretainedValue() }

    /// What was called, where the message that this thread reads is its answer and has references.
    static var origin: ActorTarget? { current?.pointee.unretainedOrigin?.takeUnretainedValue() }

    /// What came with the message that this thread reads.
    static var received: ReceivedReferences? { current?.pointee.unretainedReceived?.takeUnretainedValue() }

    /// Whether the message that this thread reads or writes is JSON where it travels.
    static var isText: Bool { current?.pointee.isText ?? false }

    /// Notes that the message that this thread writes has a reference in it.
    static func noteReference() { current?.pointee.hasReferences = true }

    /// Notes a reference in the message that this thread writes.
    ///
    /// - Returns: its place in the table.
    /// - Throws: `invalidUse` when no message is written, `tooLarge` when it has too many references.
    static func add(_ entry: OutgoingReferences.Entry) throws(TelekinesisError) -> Int {
        guard let current, current.pointee.unretainedReceived == nil else {
            throw TelekinesisError(
                .invalidUse, "references to objects, functions and streams can only be encoded in a call; to store one, use node.text(of:)")
        }
        current.pointee.hasReferences = true
        if let outgoing = current.pointee.outgoing { return try outgoing.add(entry) }
        let outgoing = OutgoingReferences()
        current.pointee.outgoing = outgoing
        return try outgoing.add(entry)
    }

    // MARK: Storable values

    /// Where the storable values of the message that this thread writes are noted.
    ///
    /// - Throws: `invalidUse` where there cannot be any.
    static func outgoingValues() throws(TelekinesisError) -> OutgoingValues {
        guard let current, current.pointee.takesValues else {
            throw TelekinesisError(
                .invalidUse, "values that are stored can only be encoded as arguments and results of calls, and as elements of streams")
        }
        if let values = current.pointee.values { return values }
        let values = OutgoingValues()
        current.pointee.values = values
        return values
    }

    /// Whether what is missing in the message that this thread reads can be fetched.
    static var fetches: Bool { current?.pointee.takesValues ?? false }

    /// What was fetched for it.
    static var fetched: FetchedValues? { current?.pointee.unretainedFetched?.takeUnretainedValue() }

    /// Something must be fetched for it. Noted here too, because whoever decodes a value may go on without it.
    static func need(_ needed: FetchRequest) { if let current, current.pointee.needed == nil { current.pointee.needed = needed } }

    /// Runs `body`, which makes or reads something of its own, outside of any message.
    static func outside<Result>(_ body: () throws -> Result) rethrows -> Result {
        let outer = tk_coding_slot()
        tk_set_coding_slot(nil)
        defer { tk_set_coding_slot(outer) }
        return try body()
    }

    /// What decoders of actors ask for.
    @Sendable static func userInfo() -> [CodingUserInfoKey: any Sendable] {
        guard let node = home?.node else { return [:] }
        return [.actorSystemKey: node]
    }
}
