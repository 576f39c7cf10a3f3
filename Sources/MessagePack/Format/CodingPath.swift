/// A key or an index on the way to a value.
struct PathKey: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) {
        self.stringValue = stringValue
        self.intValue = nil
    }

    init(intValue: Int) {
        self.stringValue = "Index \(intValue)"
        self.intValue = intValue
    }

    static let `super` = PathKey(stringValue: "super")
}

extension MessagePackReader {
    /// The keys and indices that lead from the value at `root` to the one at `target`, or to where it would be.
    ///
    /// Found by looking, when somebody asks, so that nobody has to keep track. What encloses the target may be unfinished behind it.
    func codingPath(from root: Int, to target: Int) -> [any CodingKey] {
        var path: [any CodingKey] = []
        var reader = self
        reader.position = root
        while reader.position < target, let key = reader.enter(towards: target) { path.append(key) }
        return path
    }

    /// From the start of a container to the start of its element at or around `target`.
    private mutating func enter(towards target: Int) -> PathKey? {
        guard let head = peekContainer() else { return nil }
        position = head.content
        for index in 0..<head.count {
            guard position <= target else { return nil }
            var key = PathKey(intValue: index)
            if head.kind == .map {
                guard let name = try? readString() else { return nil }
                key = PathKey(stringValue: name)
            }
            let start = position
            if start == target { return key }
            guard (try? skip()) != nil, position <= target else {
                position = start
                return key
            }
        }
        return nil
    }

    /// The kind, declared count and offset of the content of the container that begins here, complete or not.
    private func peekContainer() -> (kind: ContainerKind, count: Int, content: Int)? {
        guard position < end, let kind = ContainerKind(header: bytes[position]) else { return nil }
        let width = [0xdc: 2, 0xde: 2, 0xdd: 4, 0xdf: 4][Int(bytes[position])] ?? 0
        guard width > 0 else { return (kind, Int(bytes[position] & 0x0f), position + 1) }
        guard end - position > width else { return nil }
        return (kind, bytes[(position + 1)...(position + width)].reduce(0) { $0 << 8 | Int($1) }, position + 1 + width)
    }
}
