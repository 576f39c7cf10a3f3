/// Where a container begins and ends.
struct Extent {
    let start: Int
    var end: Int
}

extension [Extent] {
    /// Where the container at `offset` ends, if it is one of these, which are in the order of their beginnings.
    func end(ofContainerAt offset: Int) -> Int? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].start < offset { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low].start == offset ? self[low].end : nil
    }
}

extension MessagePackReader {
    /// Passes over one value of any kind, seeing to it that it is well-formed, but for what strings contain.
    public mutating func skip() throws(MessagePackError) {
        var none: [Extent] = []
        try skip(levels: Self.maximumDepth, recording: &none, above: .max)
    }

    /// The same, and appends the extents of the containers that are worth it, in the order of their beginnings.
    mutating func skip(recording extents: inout [Extent]) throws(MessagePackError) {
        try skip(levels: Self.maximumDepth, recording: &extents, above: 256)
    }

    private mutating func skip(levels: Int, recording extents: inout [Extent], above size: Int) throws(MessagePackError) {
        let start = position
        var values: Int
        switch try readHead() {
        case .string(let count), .binary(let count), .extension(_, let count):
            position += count
            return
        case .array(let count): values = count
        case .map(let count): values = 2 * count
        default: return
        }
        guard levels > 0 else { throw MessagePackError(.tooDeep, offset: start) }
        let index = extents.count
        let mayBeLarge = end - start > size
        if mayBeLarge { extents.append(Extent(start: start, end: start)) }
        while values > 0 {
            try skip(levels: levels - 1, recording: &extents, above: size)
            values -= 1
        }
        guard mayBeLarge else { return }
        if position - start > size {
            extents[index].end = position
        } else {
            extents.removeLast()
        }
    }
}
