/// The place of one value: what `encode(to:)` is given.
struct ValueEncoder: Encoder, SingleValueEncodingContainer {
    let state: EncodingState
    /// The index that the value's container has, or will have.
    let container: Int
    /// Where the value begins, unless its container is there and knows.
    let start: Int

    init(state: EncodingState, container: Int, start: Int) {
        self.state = state
        self.container = container
        self.start = start
    }

    /// The place of a value whose container, or what stands for it until it is known, is open already; no place if it could not be opened.
    init(in container: EncodingState.ContainerID, state: EncodingState) {
        self.init(state: state, container: container.index < 0 ? .max : Int(container.index), start: -1)
    }

    var codingPath: [any CodingKey] { state.codingPath(to: state.start(of: self)) }
    var userInfo: [CodingUserInfoKey: Any] { state.userInfo }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(KeyedContainerEncoder(state: state, id: state.open(.map, at: self)))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        UnkeyedContainerEncoder(state: state, id: state.open(.array, at: self))
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    func encodeNil() throws {
        try state.beginSingleValue(at: self)
        state.writer.writeNil()
    }

    // These generic methods stand for all the concrete ones that the protocols ask for, specialised by the optimizer, but for the two
    // that have default implementations.

    func encode<Value: Encodable>(_ value: Value) throws {
        try state.beginSingleValue(at: self)
        try state.encode(value)
    }

    func encode(_ value: Int128) throws {
        try state.beginSingleValue(at: self)
        try state.encode(value)
    }

    func encode(_ value: UInt128) throws {
        try state.beginSingleValue(at: self)
        try state.encode(value)
    }
}

struct KeyedContainerEncoder<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let state: EncodingState
    let id: EncodingState.ContainerID

    var codingPath: [any CodingKey] { state.codingPath(of: id) }

    func encodeNil(forKey key: Key) throws {
        try begin(key)
        state.writer.writeNil()
    }

    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
        try begin(key)
        try state.encode(value)
    }

    func encode(_ value: Int128, forKey key: Key) throws {
        try begin(key)
        try state.encode(value)
    }

    func encode(_ value: UInt128, forKey key: Key) throws {
        try begin(key)
        try state.encode(value)
    }

    func nestedContainer<NestedKey: CodingKey>(keyedBy _: NestedKey.Type, forKey key: Key) -> KeyedEncodingContainer<NestedKey> {
        KeyedEncodingContainer(KeyedContainerEncoder<NestedKey>(state: state, id: open(.map, key)))
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        UnkeyedContainerEncoder(state: state, id: open(.array, key))
    }

    func superEncoder() -> any Encoder { superEncoder(named: PathKey.super) }

    func superEncoder(forKey key: Key) -> any Encoder { superEncoder(named: key) }

    @inline(__always)
    private func begin(_ key: some CodingKey) throws {
        try state.beginElement(of: id)
        state.writer.write(key.stringValue)
    }

    private func open(_ kind: ContainerKind, _ key: some CodingKey) -> EncodingState.ContainerID {
        // A container that cannot be used remembers why, and says so when it is.
        (try? begin(key)) == nil ? .none : state.open(kind)
    }

    private func superEncoder(named key: some CodingKey) -> any Encoder { ValueEncoder(in: open(.map, key), state: state) }
}

struct UnkeyedContainerEncoder: UnkeyedEncodingContainer {
    let state: EncodingState
    let id: EncodingState.ContainerID

    var codingPath: [any CodingKey] { state.codingPath(of: id) }
    var count: Int { state.count(of: id) }

    func encodeNil() throws {
        try state.beginElement(of: id)
        state.writer.writeNil()
    }

    func encode<Value: Encodable>(_ value: Value) throws {
        try state.beginElement(of: id)
        try state.encode(value)
    }

    func encode(_ value: Int128) throws {
        try state.beginElement(of: id)
        try state.encode(value)
    }

    func encode(_ value: UInt128) throws {
        try state.beginElement(of: id)
        try state.encode(value)
    }

    func nestedContainer<NestedKey: CodingKey>(keyedBy _: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        KeyedEncodingContainer(KeyedContainerEncoder<NestedKey>(state: state, id: open(.map)))
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        UnkeyedContainerEncoder(state: state, id: open(.array))
    }

    func superEncoder() -> any Encoder { ValueEncoder(in: open(.map), state: state) }

    private func open(_ kind: ContainerKind) -> EncodingState.ContainerID {
        (try? state.beginElement(of: id)) == nil ? .none : state.open(kind)
    }
}
