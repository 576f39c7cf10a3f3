public import Distributed
internal import MessagePack
internal import TelekinesisProtocol

/// Writes the arguments of a call as MessagePack, behind room for the head of its frame.
public struct CallEncoder: DistributedTargetInvocationEncoder, Sendable {
    /// Arguments and results are `Codable`.
    public typealias SerializationRequirement = any Codable

    /// Bytes left free for the head of the frame and the fixed part of its body.
    static let prefix = FrameType.call.headSize + CallBody.fixedSize

    var writer: MessagePackWriter
    private(set) var count = 0
    private let prefix: Int

    /// Held by the node, which its calls hold.
    private let home: Unmanaged<NodeHome>?
    /// The objects, functions and streams among the arguments.
    private(set) var references: OutgoingReferences?
    /// The storable values among the arguments.
    private var values: OutgoingValues?
    /// Whether there are any: then ``store(on:)`` comes before ``frame(selector:signature:resultKey:encoding:)``.
    var hasValues: Bool { values != nil }

    /// What is said of the body in the head of the frame.
    var flags: CallFlags { references == nil ? [] : .references }

    /// An encoder with room for a key in front of the body, where the caller chooses the key of the result.
    ///
    /// - Parameter node: whose objects may be among the arguments; `nil` where there cannot be any.
    init(on node: Node? = nil, withResultKey: Bool = false) {
        home = node.map { Unmanaged.passUnretained($0.session.home) }
        prefix = Self.prefix + (withResultKey ? 16 : 0)
        writer = MessagePackWriter(appendingTo: .zeros(prefix, capacity: prefix + 64))
    }

    /// Notes a generic parameter of the method: only the one that stands for a `@Resolvable` stub can be left out on the wire.
    public mutating func recordGenericSubstitution<Substitution>(_ type: Substitution.Type) throws {
        if !(type is any DistributedActor.Type) {
            throw TelekinesisError(
                .unsupported, "generic distributed methods cannot be called remotely: write one for \(type) with its concrete type")
        }
    }

    /// Writes an argument.
    @inlinable
    public mutating func recordArgument<Value: Codable>(_ argument: RemoteCallArgument<Value>) throws {
        try append(argument.value, label: argument.label)
    }

    @usableFromInline
    mutating func append<Value: Encodable>(_ value: Value, label: String? = nil) throws {
        guard count < Int(UInt8.max) else { throw TelekinesisError(.invalidUse, "a call has at most 255 arguments") }
        writer.join()
        if writer.keep(value, longerThan: FrameHead.maximumBody) {
            count += 1
            return
        }
        do {
            let encoder = MessagePackEncoder()
            if try !encoder.encodePlain(value, into: &writer) { try encodeItself(value, encoder, label) }
        } catch let error as TelekinesisError {
            throw error
        } catch {
            throw TelekinesisError(
                .badArguments, "the argument \(label ?? "number \(count + 1)") cannot be encoded: \(DecodingError.reason(of: error))",
                cause: error)
        }
        count += 1
    }

    private mutating func encodeItself<Value: Encodable>(_ value: Value, _ encoder: MessagePackEncoder, _ label: String?) throws {
        guard let home else { return try encoder.encodeItself(value, into: &writer) }
        var scope = CodingScope(writing: references, home: home, values: values, takesValues: true)
        try scope.run { try encoder.encodeItself(value, into: &writer) }
        references = scope.outgoing
        values = scope.values
        values?.name(label.map { "“\($0)”" } ?? "number \(count + 1)")
    }

    /// Nothing to note: the provider knows the error type.
    public mutating func recordErrorType<E: Error>(_ type: E.Type) throws {}

    /// Nothing to note: the provider knows the result type.
    public mutating func recordReturnType<R: Codable>(_ type: R.Type) throws {}

    /// Nothing is left to do.
    public mutating func doneRecording() throws {}

    /// Stores the storable values among the arguments; the encoder is used up, and all of them are held until the call has its answer.
    ///
    /// - Returns: an encoder that is ready.
    nonisolated(nonsending) func stored(on node: Node) async throws -> CallEncoder {
        guard let values else { return self }
        var encoder = self
        try await values.store(into: &encoder.writer.bytes, on: node.storage, ran: .no)
        return encoder
    }

    /// The bytes of the whole frame, its head still empty.
    mutating func frame(selector: Selector, signature: UInt32, resultKey: ActorKey? = nil, encoding: Encoding = .messagePack) -> SplitBytes
    {
        var frame = writer.take()
        let count = UInt8(count)
        let fixed = prefix - CallBody.fixedSize
        frame.bytes.withUnsafeMutableBytes { memory in
            resultKey?.store(in: memory, at: FrameType.call.headSize)
            CallBody.writeFixed(
                UnsafeMutableRawBufferPointer(rebasing: memory[fixed...]), selector: selector.rawValue, signature: signature,
                encoding: encoding, argumentCount: count)
        }
        if let references { frame.bytes.insert(contentsOf: references.table, at: fixed) }
        return frame
    }
}

extension CallEncoder {
    /// The frame of a call that names its method and gives its arguments in words.
    static func words(method: String, _ words: [String]) throws -> SplitBytes {
        var encoder = CallEncoder()
        try encoder.append(method)
        try encoder.append(words)
        return encoder.frame(selector: Selector(rawValue: 0), signature: 0, encoding: .words)
    }
}
