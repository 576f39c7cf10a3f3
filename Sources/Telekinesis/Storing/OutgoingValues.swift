internal import MessagePack
internal import Synchronization
internal import TelekinesisProtocol

/// The storable values of one message that is being made.
///
/// They are noted while the message is encoded, which is synchronous, and a placeholder stands for each. Then they are stored, and their references are put
/// in the places: in MessagePack a value can be replaced by another of any size without anything around it changing.
///
/// `@unchecked Sendable`: filled by the one thread that encodes the message, and not changed after that.
final class OutgoingValues: @unchecked Sendable {
    /// Most of them in one message.
    static let maximumCount = 1_024
    /// How many are stored, or fetched, at once.
    static let width = 4

    private struct Entry {
        /// What it is, for messages: its type.
        let type: String
        /// The argument that it is in; `nil` for a result.
        var place: String?
        /// Stores it, and yields the bytes of its reference.
        let store: @Sendable () async throws -> [UInt8]
    }

    private var entries: [Entry] = []
    private var kinds: [ObjectIdentifier: Int] = [:]
    private var named = 0
    /// Random, so that nothing else in the message looks like a placeholder.
    private let mark = [UInt8].random(count: 16)

    // MARK: Collecting

    /// Notes a value in the message that this thread encodes, and writes its placeholder.
    static func encode<Value: Storable>(_ value: Value, to encoder: any Encoder) throws {
        let values = try CodingScope.outgoingValues()
        let number = try values.add(value)
        let kind = values.kinds[ObjectIdentifier(Value.self)]
        try StoredForm(reference: values.placeholder(number), kind: kind).encode(to: encoder)
    }

    private func add<Value: Storable>(_ value: Value) throws -> Int {
        guard entries.count < Self.maximumCount else {
            throw TelekinesisError(.tooLarge, "a message has at most \(Self.maximumCount) stored values: send them in several")
        }
        let type = ObjectIdentifier(Value.self)
        if kinds[type] == nil { kinds[type] = kinds.count }
        entries.append(
            Entry(type: "\(Value.self)") {
                let reference = try await value.store()
                return try MessagePackEncoder().encode(reference)
            })
        return entries.count - 1
    }

    private func placeholder(_ number: Int) -> [UInt8] { mark + withUnsafeBytes(of: UInt32(number).littleEndian) { [UInt8]($0) } }

    /// Says in which argument those are that were added last.
    func name(_ place: String) {
        for index in named..<entries.count { entries[index].place = place }
        named = entries.count
    }

    // MARK: Storing

    /// Stores all, and puts their references in the places of the placeholders.
    ///
    /// - Parameters:
    ///   - bytes: the message.
    ///   - ran: what is to be said of the method if it fails.
    ///   - message: what it is if not arguments, for errors.
    /// - Throws: ``TelekinesisError`` that names the value.
    func store(
        into bytes: inout [UInt8], on storage: NodeStorage, ran: TelekinesisError.Execution, in message: String = "the result"
    ) async throws {
        let references = Mutex<[Int: [UInt8]]>([:])
        try await StoringScope.$current.withValue(StoringScope(storage)) {
            try await forEachBounded(entries.indices, width: Self.width) { [entries] index in
                do {
                    let bytes = try await entries[index].store()
                    references.withLock { $0[index] = bytes }
                } catch {
                    let place = entries[index].place.map { "the argument \($0)" } ?? message
                    throw TelekinesisError.storing(
                        "\(place) has a \(entries[index].type) that could not be stored", failed: error,
                        ran == .no ? .badArguments : .badResult, ran: ran)
                }
            }
        }
        try replace(in: &bytes, by: references.withLock { $0 }, ran: ran)
    }

    private func replace(in bytes: inout [UInt8], by references: [Int: [UInt8]], ran: TelekinesisError.Execution) throws {
        // The head of a binary value of that length: 0xc4 and one byte of length.
        let size = mark.count + 4
        let head: [UInt8] = [0xc4, UInt8(size)] + mark
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + references.values.reduce(0) { $0 + $1.count })
        var copied = 0
        var found = 0
        var position = 0
        while let start = bytes.firstIndex(of: 0xc4, from: position) {
            position = start + 1
            guard start + head.count + 4 <= bytes.count, bytes[start..<start + head.count].elementsEqual(head) else { continue }
            let number = (0..<4).reduce(0) { $0 | Int(bytes[start + head.count + $1]) << (8 * $1) }
            guard let reference = references[number] else { continue }
            result += bytes[copied..<start]
            result += reference
            copied = start + head.count + 4
            position = copied
            found += 1
        }
        guard found == entries.count else {
            throw TelekinesisError(
                .badArguments, "a storable value was encoded, but is not in the message: an encode(to:) dropped it", ran: ran)
        }
        result += bytes[copied...]
        bytes = result
    }
}

extension [UInt8] {
    fileprivate func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        withUnsafeBufferPointer { memory in
            var index = start
            while index < memory.count {
                if memory[index] == byte { return index }
                index += 1
            }
            return nil
        }
    }
}
