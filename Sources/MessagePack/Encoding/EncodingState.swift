/// One value being encoded.
///
/// Containers write straight into the buffer, and their headers count the elements as they come, so a container is a mere offset, and nothing
/// happens when it ends. What is open at a time is the container written last and those around it; see `resume` for programs that go back and forth.
final class EncodingState {
    struct Container {
        /// Where its header is.
        var start: Int
        /// The container that this one is an element of; -1 for none.
        let parent: Int
        let serial: UInt32
        let depth: Int
    }

    /// Names a container, also after it is gone.
    struct ContainerID {
        let index: Int32
        let serial: UInt32

        static let none = ContainerID(index: -1, serial: 0)
    }

    /// A finished container that is added to again, and what was taken off the buffer to put its end at the end.
    private struct Reopened {
        let container: Int
        let top: Int
        let tail: [UInt8]
        let inTail: [(container: Int, offset: Int)]
    }

    // Checking that nothing else has access to these costs as much as writing an integer. No value's or key's code runs while one is accessed.
    @exclusivity(unchecked) var writer = MessagePackWriter()
    /// The error of the part that failed first: from then on the whole has failed.
    private(set) var failure: (any Error)?
    private let start: Int
    private let sendableUserInfo: [CodingUserInfoKey: any Sendable]
    @exclusivity(unchecked) private var containers: [Container] = []
    /// The container whose end is the buffer's; -1 for none.
    @exclusivity(unchecked) private var top = -1
    private var serial: UInt32 = 0
    private var reopened: Reopened?

    init(userInfo: [CodingUserInfoKey: any Sendable], start: Int) {
        self.sendableUserInfo = userInfo
        self.start = start
        containers.reserveCapacity(8)
    }

    var userInfo: [CodingUserInfoKey: Any] { sendableUserInfo }

    /// The keys and indices that lead to the value that starts at `offset`.
    func codingPath(to offset: Int) -> [any CodingKey] {
        MessagePackReader(writer.bytes).codingPath(from: start, to: offset)
    }

    func start(of position: ValueEncoder) -> Int {
        position.container < containers.count ? containers[position.container].start : position.start
    }

    func codingPath(of id: ContainerID) -> [any CodingKey] {
        isCurrent(id) ? codingPath(to: containers[Int(id.index)].start) : []
    }

    // MARK: Values

    @inline(__always)
    func encode<Value: Encodable>(_ value: Value) throws {
        do throws(MessagePackError) {
            if try writer.writePlain(value) { return }
        } catch {
            throw EncodingError(error, encoding: Value.self, codingPath: codingPath(to: error.offset))
        }
        try encodeItself(value)
    }

    /// Has `value` write itself; like a struct without properties, one that writes nothing is an empty map.
    func encodeItself<Value: Encodable>(_ value: Value) throws {
        let (outer, position) = (top, ValueEncoder(state: self, container: containers.count, start: writer.bytes.count))
        do {
            try value.encode(to: position)
        } catch {
            failure = failure ?? error
            throw error
        }
        if let reopened, reopened.container >= position.container { endReopened() }
        containers.removeLast(max(0, containers.count - position.container))
        top = outer
        if writer.bytes.count == position.start { _ = writer.openMap() }
    }

    // MARK: Containers

    /// Appends an empty container: a new element of the container on top.
    func open(_ kind: ContainerKind) -> ContainerID {
        let depth = top < 0 ? 1 : containers[top].depth + 1
        guard depth <= MessagePackReader.maximumDepth else {
            fail("Arrays and maps are nested more than \(MessagePackReader.maximumDepth) deep.", at: writer.bytes.count)
            return .none
        }
        serial &+= 1
        containers.append(Container(start: writer.bytes.count, parent: top, serial: serial, depth: depth))
        top = containers.count - 1
        writer.bytes.append(kind.rawValue)
        return ContainerID(index: Int32(top), serial: serial)
    }

    /// The container of a value: a class and its superclass may share one.
    func open(_ kind: ContainerKind, at position: ValueEncoder) -> ContainerID {
        guard position.container < containers.count else {
            if writer.bytes.count == position.start { return open(kind) }
            fail("A value encodes itself as a single value and a container.", at: position.start)
            return .none
        }
        let container = containers[position.container]
        let header = writer.bytes[container.start]
        if header == ContainerKind.map.rawValue {
            writer.bytes[container.start] = kind.rawValue
        } else if ContainerKind(header: header) != kind {
            fail("A value encodes itself as containers of several kinds.", at: container.start)
            return .none
        }
        return ContainerID(index: Int32(position.container), serial: container.serial)
    }

    /// Prepares for the one value that a single-value container takes.
    func beginSingleValue(at position: ValueEncoder) throws {
        if position.container < containers.count {
            try resume(ContainerID(index: Int32(position.container), serial: containers[position.container].serial))
            // What `superEncoder()` left, unless it has been used.
            let start = containers[position.container].start
            if writer.bytes.count == start + 1, writer.bytes[start] == ContainerKind.map.rawValue { writer.bytes.removeLast() }
        }
        let start = start(of: position)
        guard writer.bytes.count == start else { throw fail("A value encodes itself more than once.", at: start) }
    }

    /// Makes room for one more element of a container: what is written next.
    @inline(__always)
    func beginElement(of id: ContainerID) throws {
        if Int(id.index) != top || containers[top].serial != id.serial { try resume(id) }
        let start = containers[top].start
        let growth = writer.countElement(ofContainerAt: start)
        if growth > 0 { move(by: growth, behind: start) }
    }

    func count(of id: ContainerID) -> Int {
        guard isCurrent(id) else { return 0 }
        var reader = MessagePackReader(writer.bytes)
        reader.position = containers[Int(id.index)].start
        // Only that many elements as are there can be told apart from a truncated array.
        return (try? reader.readArrayHeader()) ?? 0
    }

    // MARK: Out of order

    /// Puts the end of a container that is not on top at the end of the buffer.
    ///
    /// Nearly always that is one around the top, whose element is now complete. Else it is one that was complete, too, and what follows it
    /// is laid aside until it is complete again.
    private func resume(_ id: ContainerID) throws {
        guard isCurrent(id) else {
            throw failure ?? fail("A container is used after the value it belongs to.", at: start)
        }
        repeat {
            var open = top
            while open >= 0 {
                if open == id.index {
                    top = open
                    return
                }
                open = open == reopened?.container ? -1 : containers[open].parent
            }
        } while endReopened()

        var reader = MessagePackReader(writer.bytes)
        reader.position = containers[Int(id.index)].start
        try reader.skip()
        let end = reader.position
        let inTail = containers.indices.filter { containers[$0].start >= end }.map { (container: $0, offset: containers[$0].start - end) }
        reopened = Reopened(container: Int(id.index), top: top, tail: Array(writer.bytes[end...]), inTail: inTail)
        for moved in inTail { containers[moved.container].start = .max }
        writer.bytes.removeLast(writer.bytes.count - end)
        top = Int(id.index)
    }

    @discardableResult
    private func endReopened() -> Bool {
        guard let reopened else { return false }
        self.reopened = nil
        for (container, offset) in reopened.inTail where container < containers.count {
            containers[container].start = writer.bytes.count + offset
        }
        writer.bytes += reopened.tail
        top = reopened.top
        return true
    }

    private func move(by growth: Int, behind start: Int) {
        for index in containers.indices where containers[index].start > start && containers[index].start < .max {
            containers[index].start += growth
        }
    }

    private func isCurrent(_ id: ContainerID) -> Bool {
        containers.indices.contains(Int(id.index)) && containers[Int(id.index)].serial == id.serial
    }

    @discardableResult
    private func fail(_ description: String, at offset: Int) -> any Error {
        let context = EncodingError.Context(codingPath: codingPath(to: offset), debugDescription: description)
        let error = failure ?? EncodingError.invalidValue(self, context)
        failure = error
        return error
    }
}

extension EncodingError {
    /// Names the type in place of the value: a date that no timestamp holds is one whose description traps.
    init(_ error: MessagePackError, encoding type: any Any.Type, codingPath: [any CodingKey]) {
        self = .invalidValue(type, Context(codingPath: codingPath, debugDescription: error.description, underlyingError: error))
    }
}

/// The kinds of containers, told by the header of an empty one.
enum ContainerKind: UInt8 {
    case array = 0x90
    case map = 0x80

    init?(header: UInt8) {
        switch header {
        case 0x80...0x8f, 0xde, 0xdf: self = .map
        case 0x90...0x9f, 0xdc, 0xdd: self = .array
        default: return nil
        }
    }
}
