internal import TelekinesisProtocol

/// The names that somebody serves, in order, so that a page of them is found without looking at the others.
///
/// Blocks of a few hundred names each, in order and never empty: a name is found, added and removed within its block, and pages go from block to block.
struct ServedNames: Sendable {
    private static let largestBlock = 512

    private var blocks: [[NameEntry]] = []

    /// Adds a name, unless it is there.
    mutating func insert(_ entry: NameEntry) {
        guard !blocks.isEmpty else { return blocks.append([entry]) }
        let place = place(of: entry.text)
        // Behind the last one of all, it goes to the end of the last block.
        let block = min(place.block, blocks.count - 1)
        let index = place.block == block ? place.index : blocks[block].count
        if index < blocks[block].count, blocks[block][index].text == entry.text {
            blocks[block][index] = entry
            return
        }
        blocks[block].insert(entry, at: index)
        guard blocks[block].count > Self.largestBlock else { return }
        let half = blocks[block].count / 2
        blocks.insert(Array(blocks[block][half...]), at: block + 1)
        blocks[block].removeSubrange(half...)
    }

    /// Takes a name out, if it is there.
    mutating func remove(_ entry: NameEntry) {
        let (block, index) = place(of: entry.text)
        guard block < blocks.count, blocks[block][index] === entry else { return }
        blocks[block].remove(at: index)
        if blocks[block].isEmpty { blocks.remove(at: block) }
    }

    /// Names that start with `prefix` and come after `after`, in order.
    ///
    /// - Parameter limit: how many, at most.
    func page(prefix: String, after: String?, limit: Int) -> [NameEntry] {
        let start = max(prefix, after ?? "")
        var (block, index) = place(of: start)
        var page: [NameEntry] = []
        while block < blocks.count, page.count < limit {
            guard index < blocks[block].count else {
                block += 1
                index = 0
                continue
            }
            let entry = blocks[block][index]
            index += 1
            if entry.text == after { continue }
            guard entry.text.hasPrefix(prefix) else { break }
            page.append(entry)
        }
        return page
    }

    /// Where the first name is that is not less than `text`: a block and a place in it, or behind the last block.
    private func place(of text: String) -> (block: Int, index: Int) {
        let block = blocks.partitioningIndex { $0[$0.count - 1].text >= text }
        return (block, block < blocks.count ? blocks[block].partitioningIndex { $0.text >= text } : 0)
    }
}

extension Array {
    /// The first place from which on a condition holds, of an array where it holds for all after the first for which it does.
    fileprivate func partitioningIndex(where belongs: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = low + (high - low) / 2
            if belongs(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
