/// One value being decoded: bytes that are known to be well-formed, and what helps to find the way in them.
final class DecodingState: ValueSource {
    /// The key of a map's entry, and its value, which begins where the key ends.
    struct Entry {
        let key: Int
        let value: Int
    }

    /// A value inside another, on the way to the one at hand.
    struct Step {
        /// Where the value begins.
        let start: Int
        /// Where its key begins, which ends at `start`; or, below zero, its index in an array.
        let key: Int

        static func element(_ index: Int, at start: Int) -> Step { Step(start: start, key: ~index) }
    }

    let bytes: [UInt8]
    let origin: MessagePackDecoder.Origin
    private let start: Int
    // Checking that nothing else has access to these would cost more than decoding an integer. No type's or key's code runs while one is accessed.
    /// Left at the end of the value decoded last.
    @exclusivity(unchecked) var reader: MessagePackReader
    /// The entry to compare with the next key asked for, of whatever container: a guess, right whenever values are decoded in the order in which
    /// they were encoded.
    @exclusivity(unchecked) var expectedEntry = 0
    /// The way to the value that decodes itself at present, so that an error costs the same wherever it happens: many types decode by trying.
    @exclusivity(unchecked) private var steps: [Step] = []
    private let sendableUserInfo: [CodingUserInfoKey: any Sendable]
    private let implicitUserInfo: (@Sendable () -> [CodingUserInfoKey: any Sendable])?
    /// Where containers of some size begin and end, in the order of their beginnings, so that passing over one that is deeply nested takes the same
    /// short time at every level.
    private let extents: [Extent]

    /// Sees to it that the whole of the next value of `reader` is well-formed, and leaves the reader at its end.
    init(
        survey reader: inout MessagePackReader, origin: MessagePackDecoder.Origin, userInfo: [CodingUserInfoKey: any Sendable],
        implicitly implicitUserInfo: (@Sendable () -> [CodingUserInfoKey: any Sendable])?
    ) throws(MessagePackError) {
        self.start = reader.position
        self.origin = origin
        self.sendableUserInfo = userInfo
        self.implicitUserInfo = implicitUserInfo
        var extents: [Extent] = []
        try reader.skip(recording: &extents)
        self.extents = extents
        // Only now all of the value lies in the bytes for certain.
        self.bytes = reader.bytes
        self.reader = reader
        self.reader.position = start
    }

    var userInfo: [CodingUserInfoKey: Any] { implicitUserInfo.map { $0() } ?? sendableUserInfo }

    /// The keys and indices that lead to the value that decodes itself at present, and on through containers nested in its own.
    func codingPath(through nested: [Step]) -> [any CodingKey] {
        (steps + nested).map { step in
            step.key < 0 ? PathKey(intValue: ~step.key) : PathKey(stringValue: name(of: Entry(key: step.key, value: step.start)))
        }
    }

    // MARK: Values

    /// Decodes the value that starts at `offset`, and leaves the reader at its end.
    /// - Parameters:
    ///   - nested: the steps to the container that the value is decoded from, if that is not the one of the value that decodes itself at present.
    ///   - step: from that container to the value.
    @inline(__always)
    func decode<Value: Decodable>(_ type: Value.Type, at offset: Int, through nested: [Step], step: Step? = nil) throws -> Value {
        var source = self
        reader.position = offset
        do {
            return try source.read(type) { state in
                let depth = state.steps.count
                state.steps += nested
                if let step { state.steps.append(step) }
                defer { state.steps.removeLast(state.steps.count - depth) }
                let value = try state.decodeItself(type, at: offset)
                state.reader.position = offset
                state.passValue()
                return value
            }
        } catch let error as MessagePackError {
            let path = codingPath(through: nested + (step.map { [$0] } ?? [])) + reader.codingPath(from: offset, to: error.offset)
            throw DecodingError(error, decoding: type, codingPath: path)
        }
    }

    func decodeItself<Value: Decodable>(_ type: Value.Type, at offset: Int) throws -> Value {
        try type.init(from: ValueDecoder(state: self, start: offset))
    }

    func isNil(at offset: Int) -> Bool {
        offset < reader.end && bytes[offset] == 0xc0
    }

    func end(ofValueAt offset: Int) -> Int {
        reader.position = offset
        passValue()
        return reader.position
    }

    private func passValue() {
        if let end = extents.end(ofContainerAt: reader.position) {
            reader.position = end
        } else {
            // Cannot fail: the survey has been here.
            try? reader.skip()
        }
    }

    // MARK: Containers

    /// The number of elements of the array at `offset`, and where they begin.
    func array(at offset: Int, through nested: [Step]) throws -> (count: Int, content: Int) {
        reader.position = offset
        do throws(MessagePackError) {
            return (try reader.readArrayHeader(), reader.position)
        } catch {
            throw DecodingError(error, decoding: [Any].self, codingPath: codingPath(through: nested))
        }
    }

    /// The entries of the map at `offset`, no two of the same key.
    func entries(at offset: Int, through nested: [Step]) throws -> [Entry] {
        reader.position = offset
        do throws(MessagePackError) {
            let count = try reader.readMapHeader()
            var entries = [Entry]()
            entries.reserveCapacity(count)
            for _ in 0..<count {
                let key = try reader.readStringBytes()
                entries.append(Entry(key: key.lowerBound, value: key.upperBound))
                passValue()
            }
            if let duplicate = duplicateKey(in: entries) { throw MessagePackError(.duplicateKey, offset: duplicate.value) }
            expectedEntry = 0
            return entries
        } catch {
            let path = codingPath(through: nested) + reader.codingPath(from: offset, to: error.offset)
            throw DecodingError(error, decoding: [String: Any].self, codingPath: path)
        }
    }

    /// The key of an entry. One that is not UTF-8 gets a name that no entry has, and so is missed when it is asked for.
    func name(of entry: Entry) -> String {
        bytes.withUnsafeBufferPointer { String(decoding: $0[entry.key..<entry.value], as: UTF8.self) }
    }

    /// The index of the entry with this key.
    func find(_ key: some CodingKey, in entries: [Entry]) -> Int? {
        var name = key.stringValue
        return name.withUTF8 { name in
            bytes.withUnsafeBytes { bytes in
                func isHere(_ entry: Entry) -> Bool { UnsafeRawBufferPointer(name).equals(bytes[entry]) }
                if expectedEntry < entries.count, isHere(entries[expectedEntry]) { return expectedEntry }
                guard let index = entries.firstIndex(where: isHere) else { return nil }
                expectedEntry = index
                return index
            }
        }
    }

    /// An entry with the key of an earlier one.
    private func duplicateKey(in entries: [Entry]) -> Entry? {
        bytes.withUnsafeBytes { bytes in
            guard entries.count <= 64 else {
                let sorted = entries.sorted { bytes[$0].precedes(bytes[$1]) }
                return zip(sorted, sorted.dropFirst()).first { bytes[$0].equals(bytes[$1]) }?.1
            }
            // Keys seldom share length and last byte: those that do not are told apart by one bit in a word.
            var seen: UInt64 = 0
            for (index, entry) in entries.enumerated() {
                let mark = UInt64(1) << UInt64((bytes[entry].count &* 11 &+ Int(bytes[entry].last ?? 0)) & 63)
                if seen & mark != 0, entries[..<index].contains(where: { bytes[$0].equals(bytes[entry]) }) { return entry }
                seen |= mark
            }
            return nil
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate subscript(entry: DecodingState.Entry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[entry.key..<entry.value])
    }

    fileprivate func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }

    /// An order by length, then by content.
    fileprivate func precedes(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return count < other.count }
        for index in indices where self[index] != other[index] { return self[index] < other[index] }
        return false
    }
}
