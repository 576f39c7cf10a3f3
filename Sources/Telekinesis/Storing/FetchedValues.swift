internal import MessagePack
internal import Synchronization
internal import TelekinesisProtocol

/// The storable values of one message that came, as far as they have been fetched.
///
/// A message is decoded until a value is missing; then all of that type are fetched, and the message is decoded again. Messages without storable values
/// never meet this.
final class FetchedValues: Sendable {
    private struct Key: Hashable {
        let type: ObjectIdentifier
        let reference: [UInt8]
    }

    private let values = Mutex<[Key: any Sendable]>([:])
    /// What its values take of the room that the node has for those.
    let share: FetchShare

    init(_ storage: NodeStorage) { share = FetchShare(storage) }

    var count: Int { values.withLock { $0.count } }

    /// The value that the message refers to, for the thread that decodes it.
    ///
    /// - Throws: ``FetchNeeded`` when it was not fetched yet; `invalidUse` where none can be fetched.
    static func value<Value: Storable>(_ type: Value.Type, from decoder: any Decoder) throws -> Value {
        guard CodingScope.fetches else {
            throw TelekinesisError(
                .invalidUse, "a \(Value.self) can only be decoded as an argument, a result or an element of a stream: it must be fetched")
        }
        let form = try StoredForm<Value.Reference>(from: decoder)
        let bytes = try MessagePackEncoder().encode(form.reference)
        if let value: Value = CodingScope.fetched?.value(bytes) { return value }
        let request = FetchRequest(form, bytes, as: Value.self)
        CodingScope.need(request)
        throw FetchNeeded(request: request)
    }

    private func value<Value: Storable>(_ reference: [UInt8]) -> Value? {
        values.withLock { $0[Key(type: ObjectIdentifier(Value.self), reference: reference)] as? Value }
    }

    fileprivate func isThere<Value: Storable>(_ type: Value.Type, _ reference: [UInt8]) -> Bool {
        values.withLock { $0[Key(type: ObjectIdentifier(type), reference: reference)] != nil }
    }

    fileprivate func insert<Value: Storable>(_ value: Value, _ reference: [UInt8]) {
        values.withLock { $0[Key(type: ObjectIdentifier(Value.self), reference: reference)] = value }
    }
}

/// What fetches a value, and others of its type in the same message.
final class FetchRequest: Sendable {
    /// The type of the value, for messages.
    let type: String
    fileprivate let run: @Sendable (_ message: [UInt8], _ start: Int, _ values: FetchedValues) async throws -> Void

    fileprivate init<Value: Storable>(_ form: StoredForm<Value.Reference>, _ reference: [UInt8], as type: Value.Type) {
        self.type = "\(type)"
        let (first, kind) = (form.reference, form.kind)
        run = { message, start, values in
            var references = [reference: first]
            // All that the message has of this type: the same number, and a reference of the same form.
            for bytes in StoredForms.find(kind, in: message, from: start) where references.count < OutgoingValues.maximumCount {
                guard let other = try? MessagePackDecoder().decode(Value.Reference.self, from: bytes),
                    let key = try? MessagePackEncoder().encode(other)
                else { continue }
                references[key] = other
            }
            let missing = references.filter { !values.isThere(type, $0.key) }
            guard values.count + missing.count <= OutgoingValues.maximumCount else {
                throw TelekinesisError(.tooLarge, "a message refers to more than \(OutgoingValues.maximumCount) stored values")
            }
            try await forEachBounded(missing, width: OutgoingValues.width) { reference, value in
                values.insert(try await type.fetch(value), reference)
            }
        }
    }
}

/// A value must be fetched before the message can be decoded.
@usableFromInline
struct FetchNeeded: Error, Sendable {
    let request: FetchRequest
    /// The number of the argument that it is in; `nil` in a result.
    var argument: Int?
    /// The message, and where the part begins that is not decoded yet.
    var message: [UInt8] = []
    var start = 0

    /// How often a message is decoded at most: once more for each type of storable values in it.
    static let maximumPasses = 16

    static func tooManyKinds(ran: TelekinesisError.Execution) -> TelekinesisError {
        TelekinesisError(.tooLarge, "a message has stored values of more than \(maximumPasses) types", ran: ran)
    }

    /// Fetches it, and others of its type in the same message.
    ///
    /// - Parameters:
    ///   - values: what was fetched for the message before.
    ///   - message: what it is if not arguments, for errors.
    /// - Returns: everything that was fetched for it.
    /// - Throws: ``TelekinesisError`` that names the value.
    func fetch(
        into values: FetchedValues?, on home: NodeHome, ran: TelekinesisError.Execution, in message: String = "the result"
    ) async throws -> FetchedValues {
        let place = argument.map { "argument \($0)" } ?? message
        let storage = try home.storage
        let values = values ?? FetchedValues(storage)
        do {
            try await StoringScope.$current.withValue(StoringScope(storage, fetching: values.share)) {
                try await request.run(self.message, start, values)
            }
            return values
        } catch {
            throw TelekinesisError.storing(
                "\(place) has a \(request.type) that could not be fetched", failed: error, ran == .no ? .badArguments : .badResult, ran: ran
            )
        }
    }
}

/// Finds storable values in a message without knowing its types.
enum StoredForms {
    private static let key = Array("$stored".utf8)
    private static let kindKey = Array("kind".utf8)

    /// The references of the storable values of one kind.
    static func find(_ kind: Int?, in message: [UInt8], from start: Int) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var reader = MessagePackReader(message, in: start..<message.count)
        while !reader.isAtEnd, found.count < OutgoingValues.maximumCount, (try? pass(&reader, kind, &found)) != nil {}
        return found
    }

    /// Passes over one value, looking into it. Nesting is bounded: whoever decodes the message has refused what is deeper.
    private static func pass(
        _ reader: inout MessagePackReader, _ kind: Int?, _ found: inout [[UInt8]], depth: Int = 0
    ) throws(MessagePackError) {
        let start = reader
        switch try reader.peekHead() {
        case .array where depth < 128: for _ in 0..<(try reader.readArrayHeader()) { try pass(&reader, kind, &found, depth: depth + 1) }
        case .map(let count) where depth < 128:
            _ = try reader.readMapHeader()
            if count == (kind == nil ? 1 : 2), let reference = try? reference(&reader, kind) { return found.append(reference) }
            reader = start
            for _ in 0..<(try reader.readMapHeader()) {
                try reader.skip()
                try pass(&reader, kind, &found, depth: depth + 1)
            }
        default: try reader.skip()
        }
    }

    /// The reference in the entries of a map that has the form of a storable value, as it is always written.
    private static func reference(_ reader: inout MessagePackReader, _ kind: Int?) throws(MessagePackError) -> [UInt8]? {
        guard try isNext(key, &reader) else { return nil }
        let start = reader.position
        try reader.skip()
        let reference = [UInt8](reader.bytes[start..<reader.position])
        guard let kind else { return reference }
        guard try isNext(kindKey, &reader), try reader.readInteger() == kind else { return nil }
        return reference
    }

    private static func isNext(_ key: [UInt8], _ reader: inout MessagePackReader) throws(MessagePackError) -> Bool {
        let range = try reader.readStringBytes()
        return reader.bytes[range].elementsEqual(key)
    }
}
