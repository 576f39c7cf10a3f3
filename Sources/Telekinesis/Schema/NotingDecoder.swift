internal import TelekinesisProtocol

/// Notes what a value asks for, and makes up what it gets.
struct NotingDecoder: Decoder {
    let notes: DecodingNotes
    let walk: ShapeWalk
    let codingPath: [any CodingKey] = []
    var userInfo: [CodingUserInfoKey: Any] { [.actorSystemKey: walk.node] }

    init(_ notes: DecodingNotes, walk: ShapeWalk) {
        self.notes = notes
        self.walk = walk
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        try walk.countStep()
        notes.form = .fields
        return KeyedDecodingContainer(NotingFields<Key>(notes, walk))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try walk.countStep()
        notes.form = .list
        return NotingList(notes, walk)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        try walk.countStep()
        return NotingValue(notes, walk)
    }
}

private struct NotingFields<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let notes: DecodingNotes
    let walk: ShapeWalk
    let codingPath: [any CodingKey] = []
    private let keys: [Key]

    init(_ notes: DecodingNotes, _ walk: ShapeWalk) {
        self.notes = notes
        self.walk = walk
        keys = RuntimeTypes.values(of: Key.self) ?? []
        notes.knownKeys = keys.map(\.stringValue)
    }

    /// One of them at a time: the cases of an enum are the keys of which it takes one.
    var allKeys: [Key] {
        notes.offeredKeys = keys.map(\.stringValue)
        return keys.indices.contains(notes.offering) ? [keys[notes.offering]] : []
    }

    func contains(_ key: Key) -> Bool { true }

    func decodeNil(forKey key: Key) throws -> Bool {
        try walk.countStep()
        return false
    }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        notes.note(key.stringValue, walk.shape(of: type))
        return try walk.sample(of: type)
    }

    func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? { try missing(type, key) }

    // The standard library's own versions of these do not ask for what might be missing.
    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try missing(type, key) }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try missing(type, key) }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try missing(type, key) }
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? { try missing(type, key) }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try missing(type, key) }
    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try missing(type, key) }
    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try missing(type, key) }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try missing(type, key) }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try missing(type, key) }
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try missing(type, key) }
    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try missing(type, key) }
    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try missing(type, key) }
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try missing(type, key) }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try missing(type, key) }

    private func missing<Value: Decodable>(_ type: Value.Type, _ key: Key) throws -> Value? {
        try walk.countStep()
        notes.note(key.stringValue, walk.shape(of: type), mayBeMissing: true)
        return nil
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
        try decoder(key.stringValue).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try decoder(key.stringValue).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { try decoder("super") }
    func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key.stringValue) }

    private func decoder(_ name: String) throws -> NotingDecoder {
        try walk.countStep()
        return NotingDecoder(notes.nest(name), walk: walk)
    }
}

private struct NotingList: UnkeyedDecodingContainer {
    let notes: DecodingNotes
    let walk: ShapeWalk
    let codingPath: [any CodingKey] = []
    private(set) var currentIndex = 0

    init(_ notes: DecodingNotes, _ walk: ShapeWalk) {
        self.notes = notes
        self.walk = walk
    }

    var count: Int? {
        notes.asksForEnd = true
        return 1
    }

    /// After the first element.
    var isAtEnd: Bool {
        notes.asksForEnd = true
        return currentIndex > 0
    }

    mutating func decodeNil() throws -> Bool {
        try walk.countStep()
        return false
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        notes.note(element: walk.shape(of: type))
        currentIndex += 1
        return try walk.sample(of: type)
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
        try decoder().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try decoder().unkeyedContainer() }

    mutating func superDecoder() throws -> any Decoder { try decoder() }

    private mutating func decoder() throws -> NotingDecoder {
        try walk.countStep()
        currentIndex += 1
        return NotingDecoder(notes.nest(nil), walk: walk)
    }
}

private struct NotingValue: SingleValueDecodingContainer {
    let notes: DecodingNotes
    let walk: ShapeWalk
    let codingPath: [any CodingKey] = []

    init(_ notes: DecodingNotes, _ walk: ShapeWalk) {
        self.notes = notes
        self.walk = walk
    }

    func decodeNil() -> Bool { false }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if case .nothing = notes.form { notes.form = .single(walk.shape(of: type)) }
        return try walk.sample(of: type)
    }
}
