/// The place of one value: what `init(from:)` is given.
struct ValueDecoder: Decoder, SingleValueDecodingContainer {
    let state: DecodingState
    let start: Int
    /// From the value that decodes itself to this one, if it is another.
    var nested: [DecodingState.Step] = []

    var codingPath: [any CodingKey] { state.codingPath(through: nested) }
    var userInfo: [CodingUserInfoKey: Any] { state.userInfo }

    func container<Key: CodingKey>(keyedBy _: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(KeyedContainerDecoder(state: state, nested: nested, entries: try state.entries(at: start, through: nested)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try UnkeyedContainerDecoder(state: state, start: start, nested: nested)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { state.isNil(at: start) }

    // These generic methods stand for all the concrete ones that the protocols ask for, specialised by the optimizer, but for the two
    // that have default implementations.

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try state.decode(type, at: start, through: nested) }

    func decode(_ type: Int128.Type) throws -> Int128 { try state.decode(type, at: start, through: nested) }

    func decode(_ type: UInt128.Type) throws -> UInt128 { try state.decode(type, at: start, through: nested) }
}

struct KeyedContainerDecoder<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let state: DecodingState
    let nested: [DecodingState.Step]
    let entries: [DecodingState.Entry]

    var codingPath: [any CodingKey] { state.codingPath(through: nested) }
    var allKeys: [Key] { entries.compactMap { Key(stringValue: state.name(of: $0)) } }

    func contains(_ key: Key) -> Bool { state.find(key, in: entries) != nil }

    func decodeNil(forKey key: Key) throws -> Bool { state.isNil(at: try entry(for: key).value) }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try value(type, for: key) }

    func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try value(type, for: key) }

    func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try value(type, for: key) }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type, forKey key: Key) throws -> KeyedDecodingContainer<NestedKey> {
        try decoder(for: key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { try decoder(for: key).unkeyedContainer() }

    func superDecoder() throws -> any Decoder { try decoder(for: PathKey.super) }

    func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(for: key) }

    @inline(__always)
    private func value<Value: Decodable>(_ type: Value.Type, for key: Key) throws -> Value {
        let entry = try entry(for: key)
        let next = state.expectedEntry + 1
        defer { state.expectedEntry = next }
        return try state.decode(type, at: entry.value, through: nested, step: DecodingState.Step(start: entry.value, key: entry.key))
    }

    private func decoder(for key: some CodingKey) throws -> ValueDecoder {
        let entry = try entry(for: key)
        return ValueDecoder(state: state, start: entry.value, nested: nested + [DecodingState.Step(start: entry.value, key: entry.key)])
    }

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
    let nested: [DecodingState.Step]
    let length: Int
    private(set) var currentIndex = 0
    /// Where the next element begins.
    private var next: Int

    init(state: DecodingState, start: Int, nested: [DecodingState.Step]) throws {
        self.state = state
        self.nested = nested
        (length, next) = try state.array(at: start, through: nested)
    }

    var codingPath: [any CodingKey] { state.codingPath(through: nested) }
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
        let element = try open(ValueDecoder(state: state, start: next, nested: nested + [.element(currentIndex, at: next)]))
        advance(to: state.end(ofValueAt: next))
        return element
    }

    @inline(__always)
    private mutating func element<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try expectElement(type)
        let value = try state.decode(type, at: next, through: nested, step: .element(currentIndex, at: next))
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
