internal import MessagePack
internal import TelekinesisProtocol

/// Takes the result of a method, and what it hands over.
struct ReplySink: ResultSink, Sendable {
    var writer: MessagePackWriter
    private let home: NodeHome
    var references: OutgoingReferences?
    /// The storable values in it.
    private(set) var values: OutgoingValues?
    /// Whether it is to be JSON.
    var writesText = false

    init(_ writer: consuming MessagePackWriter, on home: NodeHome) {
        self.writer = writer
        self.home = home
    }

    mutating func write<Result: Codable>(_ result: Result) throws {
        if writer.keep(result, longerThan: FrameHead.maximumBody) { return }
        let encoder = MessagePackEncoder()
        do {
            if try encoder.encodePlain(result, into: &writer) { return }
            var scope = CodingScope(writing: nil, home: .passUnretained(home), takesValues: true, asText: writesText)
            try scope.run { try encoder.encodeItself(result, into: &writer) }
            references = scope.outgoing
            values = scope.values
        } catch {
            throw TelekinesisError(
                .badResult, "the result, a \(Result.self), cannot be encoded: \(DecodingError.reason(of: error))", ran: .yes, cause: error)
        }
    }

    mutating func writeVoid() { writer.writeNil() }
}
