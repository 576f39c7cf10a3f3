public import Distributed
internal import JSONText
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
    private var encoding = Encoding.messagePack
    /// Those with references among them; made when there is one.
    private var referring: ReferringArguments?
    /// Whether there are any: then ``stored(on:)`` comes before ``frame(selector:signature:resultKey:)``.
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
        let start = writer.bytes.count
        var scope = CodingScope(writing: references, home: home, values: values, takesValues: true)
        try scope.run { try encoder.encodeItself(value, into: &writer) }
        references = scope.outgoing
        values = scope.values
        values?.name(label.map { "“\($0)”" } ?? "number \(count + 1)")
        if scope.hasReferences { noteReferences(in: value, from: start, label) }
    }

    @inline(never)
    private mutating func noteReferences(in value: any Encodable, from start: Int, _ label: String?) {
        let arguments = referring ?? ReferringArguments()
        arguments.all.append((start..<writer.bytes.count, label.map { "“\($0)”" } ?? "number \(count + 1)", value))
        referring = arguments
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
    mutating func frame(selector: Selector, signature: UInt32, resultKey: ActorKey? = nil) -> SplitBytes {
        var frame = writer.take()
        let count = UInt8(count)
        let (fixed, encoding) = (prefix - CallBody.fixedSize, encoding)
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
        encoder.encoding = .words
        return encoder.frame(selector: Selector(rawValue: 0), signature: 0)
    }

    /// The frame of a call without arguments.
    static func empty(_ selector: Selector, to target: ActorTarget) throws -> SplitBytes {
        var encoder = CallEncoder()
        if target.readsOnlyJSON { try encoder.writeAsJSON() }
        return encoder.frame(selector: selector, signature: 0)
    }
}

/// The arguments with references in them: they are written again where those must be text.
///
/// `@unchecked Sendable`: filled by the one thread that encodes the arguments, and not changed after that; the values are arguments of a call that waits,
/// so nobody changes them either.
private final class ReferringArguments: @unchecked Sendable {
    var all: [(range: Range<Int>, name: String, value: any Encodable)] = []
}

// MARK: JSON

/// For those who read nothing else. The arguments are MessagePack first, as for everybody: for whom they are is only known at the end.
extension CallEncoder {
    /// Waits until the places of all references are known, and writes these as JSON has them.
    @inline(never)
    nonisolated(nonsending) mutating func findPlacesAndWriteReferencesAsText() async throws {
        if let references, !references.placesAreKnown { try await references.findPlaces() }
        try writeReferencesAsText()
    }

    /// Writes the references among the arguments as JSON has them. The places of all are known, and storable values are not stored yet.
    ///
    /// - Throws: ``TelekinesisError`` that names the argument.
    mutating func writeReferencesAsText() throws {
        guard let home, let arguments = referring.take() else { return }
        var text = MessagePackWriter()
        var copied = 0
        for argument in arguments.all {
            text.bytes += writer.bytes[copied..<argument.range.lowerBound]
            var scope = CodingScope(writing: references, home: home, asText: true)
            do {
                try scope.run { try MessagePackEncoder().encodeItself(argument.value, into: &text) }
            } catch {
                throw Self.unfit(argument.name, error)
            }
            copied = argument.range.upperBound
        }
        text.bytes += writer.bytes[copied...]
        writer.bytes = text.bytes
    }

    /// Makes one JSON array of the arguments.
    ///
    /// - Throws: ``TelekinesisError`` that names the argument for which JSON has nothing.
    @inline(never)
    mutating func writeAsJSON() throws(TelekinesisError) {
        let arguments = writer.take()
        var text = [UInt8](arguments.bytes[..<prefix])
        text.reserveCapacity(arguments.count * 2)
        var reader = arguments.reader(from: prefix)
        text.append(UInt8(ascii: "["))
        for number in 0..<count {
            if number > 0 { text.append(UInt8(ascii: ",")) }
            do {
                try JSONText.fromMessagePack(&reader, into: &text)
            } catch {
                throw Self.unfit("number \(number + 1)", error)
            }
        }
        text.append(UInt8(ascii: "]"))
        writer = MessagePackWriter(appendingTo: text)
        encoding = .json
    }

    private static func unfit(_ argument: String, _ error: any Error) -> TelekinesisError {
        TelekinesisError(
            .badArguments,
            "the argument \(argument) cannot be written in JSON, and the provider reads nothing else: \(DecodingError.reason(of: error))",
            cause: error)
    }
}
