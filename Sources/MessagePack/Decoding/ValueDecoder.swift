/// The place of one value: what `init(from:)` is given.
struct ValueDecoder: Decoder, SingleValueDecodingContainer {
    let state: DecodingState
    let start: Int

    var codingPath: [any CodingKey] { state.codingPath(to: start) }
    var userInfo: [CodingUserInfoKey: Any] { state.userInfo }

    func container<Key: CodingKey>(keyedBy _: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(KeyedContainerDecoder(state: state, start: start, entries: try state.entries(at: start)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try UnkeyedContainerDecoder(state: state, start: start)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { state.isNil(at: start) }

    // These generic methods stand for all the concrete ones that the protocols ask for, specialised by the optimizer, but for the two
    // that have default implementations.

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try state.decode(type, at: start) }

    func decode(_ type: Int128.Type) throws -> Int128 { try state.decode(type, at: start) }

    func decode(_ type: UInt128.Type) throws -> UInt128 { try state.decode(type, at: start) }
}

struct KeyedContainerDecoder<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let state: DecodingState
    let start: Int
    let entries: [DecodingState.Entry]

    var codingPath: [any CodingKey] { state.codingPath(to: start) }
    var allKeys: [Key] { entries.compactMap { Key(stringValue: state.name(of: $0)) } }

    func contains(_ key: Key) -> Bool { state.find(key, in: entries) != nil }

    func decodeNil(forKey key: Key) throws -> Bool { state.isNil(at: try entry(for: key).value) }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        let entry = try entry(for: key)
        let next = state.expectedEntry + 1
        defer { state.expectedEntry = next }
        return try state.decode(type, at: entry.value, step: DecodingState.Step(start: entry.value, key: entry.key))
    }

    func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try state.decode(type, at: try entry(for: key).value) }

    func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try state.decode(type, at: try entry(for: key).value) }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type, forKey key: Key) throws -> KeyedDecodingContainer<NestedKey> {
        try decoder(for: key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { try decoder(for: key).unkeyedContainer() }

    func superDecoder() throws -> any Decoder { try decoder(for: PathKey.super) }

    func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(for: key) }

    private func decoder(for key: some CodingKey) throws -> ValueDecoder { ValueDecoder(state: state, start: try entry(for: key).value) }

    /// The entry of a key, which is then the expected one.
    @inline(__always)
    private func entry(for key: some CodingKey) throws -> DecodingState.Entry {
        guard let index = state.find(key, in: entries) else {
            let context = DecodingError.Context(
                codingPath: codingPath, debugDescription: "There is no value for the key \"\(key.stringValue)\".")
            throw DecodingError.keyNotFound(key, context)
        }
        return entries[index]
    }
}

struct UnkeyedContainerDecoder: UnkeyedDecodingContainer {
    let state: DecodingState
    let start: Int
    let length: Int
    private(set) var currentIndex = 0
    /// Where the next element begins.
    private var next: Int

    init(state: DecodingState, start: Int) throws {
        self.state = state
        self.start = start
        (length, next) = try state.array(at: start)
    }

    var codingPath: [any CodingKey] { state.codingPath(to: start) }
    var count: Int? { length }
    var isAtEnd: Bool { currentIndex == length }

    mutating func decodeNil() throws -> Bool {
        try expectElement(Never?.self)
        guard state.isNil(at: next) else { return false }
        advance(to: next + 1)
        return true
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try element(type) }

    mutating func decode(_ type: Int128.Type) throws -> Int128 { try element(type) }

    mutating func decode(_ type: UInt128.Type) throws -> UInt128 { try element(type) }

    mutating func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type) throws -> KeyedDecodingContainer<NestedKey> {
        try nested(KeyedDecodingContainer<NestedKey>.self) { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try nested((any UnkeyedDecodingContainer).self) { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder {
        try nested((any Decoder).self) { $0 }
    }

    private mutating func nested<Nested>(_ type: Nested.Type, _ open: (ValueDecoder) throws -> Nested) throws -> Nested {
        try expectElement(type)
        let nested = try open(ValueDecoder(state: state, start: next))
        advance(to: state.end(ofValueAt: next))
        return nested
    }

    @inline(__always)
    private mutating func element<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try expectElement(type)
        let value = try state.decode(type, at: next, step: .element(currentIndex, at: next))
        advance(to: state.reader.position)
        return value
    }

    private mutating func advance(to end: Int) {
        currentIndex += 1
        next = end
    }

    @inline(__always)
    private func expectElement(_ type: any Any.Type) throws {
        guard !isAtEnd else {
            let context = DecodingError.Context(codingPath: codingPath, debugDescription: "The array has only \(length) elements.")
            throw DecodingError.valueNotFound(type, context)
        }
    }
}
