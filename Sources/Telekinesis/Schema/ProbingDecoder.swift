internal import TelekinesisProtocol

/// A decoder that has nothing to decode: it notes what it is asked for, and answers with values that are made up.
struct ProbingDecoder: Decoder {
    private let probe: Probe
    private let place: Recording
    private let level: Int

    init(_ probe: Probe, _ place: Recording, level: Int = 0) {
        self.probe = probe
        self.place = place
        self.level = level
    }

    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy _: Key.Type) throws -> KeyedDecodingContainer<Key> {
        let keys = TypeReflection.plainCases(of: Key.self)
        try probe.ask(for: .keys, at: place)
        if let keys {
            place.note(keys: keys.map { ($0.stringValue, TypeReflection.caseName(of: $0) ?? $0.stringValue) })
        }
        return KeyedDecodingContainer(ProbingKeys(probe: probe, place: place, level: level, keys: keys))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try probe.ask(for: .elements, at: place)
        return ProbingElements(probe: probe, place: place, level: level)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { ProbingValue(probe: probe, place: place) }
}

private struct ProbingValue: SingleValueDecodingContainer {
    let probe: Probe
    let place: Recording

    var codingPath: [any CodingKey] { [] }

    func decodeNil() -> Bool {
        guard probe.mayAsk() else { return true }
        place.mayBeNil = true
        return probe.manner == .opposite
    }

    // These generic methods stand for all the concrete ones that the protocols ask for, but for those that have default implementations.

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try probe.ask(for: .value, at: place)
        place.note(value: probe.describe(type))
        return try probe.value(of: type)
    }

    func decode(_ type: Int128.Type) throws -> Int128 { try value(type) }

    func decode(_ type: UInt128.Type) throws -> UInt128 { try value(type) }

    private func value<Value: Decodable>(_ type: Value.Type) throws -> Value { try decode(type) }
}

private struct ProbingKeys<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let probe: Probe
    let place: Recording
    let level: Int
    /// All keys that there can be; `nil` where any can.
    let keys: [Key]?

    var codingPath: [any CodingKey] { [] }

    var allKeys: [Key] {
        guard probe.mayAsk() else { return [] }
        if let keys { return probe.choose(keys, at: place) }
        guard let key = Key(stringValue: "key") ?? Key(intValue: 1) else { return [] }
        place.madeUpKey = key.stringValue
        return [key]
    }

    func contains(_ key: Key) -> Bool {
        guard probe.mayAsk() else { return false }
        place.note(optional: key.stringValue)
        return probe.manner != .opposite
    }

    func decodeNil(forKey key: Key) throws -> Bool {
        try probe.ask()
        place.note(optional: key.stringValue)
        return probe.manner == .opposite
    }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try value(type, key) }

    func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try value(type, key) }

    func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try value(type, key) }

    func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? { try present(type, key) }

    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try present(type, key) }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try present(type, key) }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try present(type, key) }
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? { try present(type, key) }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try present(type, key) }
    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try present(type, key) }
    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try present(type, key) }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try present(type, key) }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try present(type, key) }
    func decodeIfPresent(_ type: Int128.Type, forKey key: Key) throws -> Int128? { try present(type, key) }
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try present(type, key) }
    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try present(type, key) }
    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try present(type, key) }
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try present(type, key) }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try present(type, key) }
    func decodeIfPresent(_ type: UInt128.Type, forKey key: Key) throws -> UInt128? { try present(type, key) }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type, forKey key: Key) throws -> KeyedDecodingContainer<NestedKey> {
        try decoder(at: key.stringValue).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try decoder(at: key.stringValue).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { try decoder(at: "super") }

    func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(at: key.stringValue) }

    private func value<Value: Decodable>(_ type: Value.Type, _ key: Key) throws -> Value {
        try probe.ask()
        place.note(.type(probe.describe(type)), at: key.stringValue)
        return try probe.value(of: type)
    }

    private func present<Value: Decodable>(_ type: Value.Type, _ key: Key) throws -> Value? {
        try probe.ask()
        place.note(optional: key.stringValue)
        place.note(.type(probe.describe(type)), at: key.stringValue)
        return probe.manner == .opposite ? try probe.value(of: type) : nil
    }

    private func decoder(at key: String) throws -> ProbingDecoder {
        try probe.descend(to: level + 1)
        return ProbingDecoder(probe, place.place(at: key), level: level + 1)
    }
}

private struct ProbingElements: UnkeyedDecodingContainer {
    let probe: Probe
    let place: Recording
    let level: Int
    private(set) var currentIndex = 0

    init(probe: Probe, place: Recording, level: Int) {
        self.probe = probe
        self.place = place
        self.level = level
    }

    var codingPath: [any CodingKey] { [] }

    /// One element, for whoever asks; as many as are asked for, for who does not.
    var count: Int? {
        place.countsElements = true
        return 1
    }

    var isAtEnd: Bool {
        place.countsElements = true
        return currentIndex > 0 || !probe.mayAsk()
    }

    mutating func decodeNil() throws -> Bool {
        try probe.ask()
        return false
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try element(type) }

    mutating func decode(_ type: Int128.Type) throws -> Int128 { try element(type) }

    mutating func decode(_ type: UInt128.Type) throws -> UInt128 { try element(type) }

    mutating func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type) throws -> KeyedDecodingContainer<NestedKey> {
        try nextDecoder().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try nextDecoder().unkeyedContainer() }

    mutating func superDecoder() throws -> any Decoder { try nextDecoder() }

    private mutating func element<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try probe.ask()
        place.note(element: .type(probe.describe(type)), at: currentIndex)
        currentIndex += 1
        return try probe.value(of: type)
    }

    private mutating func nextDecoder() throws -> ProbingDecoder {
        try probe.descend(to: level + 1)
        defer { currentIndex += 1 }
        return ProbingDecoder(probe, place.place(at: currentIndex), level: level + 1)
    }
}
