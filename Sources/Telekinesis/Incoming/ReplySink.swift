internal import MessagePack
internal import TelekinesisProtocol

/// Takes the result of a method, and what it hands over.
struct ReplySink: ResultSink {
    var writer: MessagePackWriter
    let home: NodeHome
    var references: OutgoingReferences?
    /// The storable values in it.
    var values: OutgoingValues?

    init(writer: MessagePackWriter, home: NodeHome) {
        self.writer = writer
        self.home = home
    }

    mutating func write<Result: Codable>(_ result: Result) throws {
        if writer.keep(result, longerThan: FrameHead.maximumBody) { return }
        var scope = CodingScope(writing: nil, home: .passUnretained(home), takesValues: true)
        do {
            try scope.run { try MessagePackEncoder().encode(result, into: &writer) }
        } catch {
            throw TelekinesisError(.badResult, "the result, a \(Result.self), cannot be encoded: \(error)", ran: .yes, cause: error)
        }
        references = scope.outgoing
        values = scope.values
    }

    mutating func writeVoid() { writer.writeNil() }
}
