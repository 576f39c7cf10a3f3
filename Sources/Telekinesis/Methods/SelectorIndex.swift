internal import TelekinesisProtocol

/// Methods by selector: a hash table whose keys are hashes already.
struct SelectorIndex: Sendable {
    private struct Slot {
        var selector: Selector
        var name: String
        var methods: [Method]
    }

    /// A power of two of places, at most half of them filled; a method stands at its selector's lowest bits or in the first free place after.
    private var slots: [Slot?]
    /// Beside each place its selector, and its method where that is the only one: all that most calls need.
    private var selectors: [UInt64] = []
    private var single: [Method?] = []

    /// Indexes every method under its wire name and its wire name with types.
    ///
    /// - Throws: `invalidUse` when two names have one selector, or two methods the same name and parameters.
    init(_ methods: [Method], typeName: String) throws(TelekinesisError) {
        var capacity = 4
        while capacity < methods.count * 4 { capacity *= 2 }
        slots = Array(repeating: nil, count: capacity)
        for method in methods {
            try insert(method, as: method.typedWireName, typeName, alone: true)
            try insert(method, as: method.wireName, typeName, alone: false)
        }
        selectors = slots.map { $0?.selector.rawValue ?? 0 }
        single = slots.map { $0?.methods.count == 1 ? $0?.methods.first : nil }
    }

    /// The one method of a selector; `nil` when there is none, or more than one.
    func method(_ selector: Selector) -> Method? {
        var place = Int(truncatingIfNeeded: selector.rawValue) & (selectors.count - 1)
        while selectors[place] != 0 {
            if selectors[place] == selector.rawValue { return single[place] }
            place = (place + 1) & (selectors.count - 1)
        }
        return nil
    }

    /// The methods of one selector: usually one, several if overloaded, or none.
    func methods(_ selector: Selector) -> [Method] {
        var place = Int(truncatingIfNeeded: selector.rawValue) & (slots.count - 1)
        while let slot = slots[place] {
            if slot.selector == selector { return slot.methods }
            place = (place + 1) & (slots.count - 1)
        }
        return []
    }

    private mutating func insert(_ method: Method, as name: String, _ typeName: String, alone: Bool) throws(TelekinesisError) {
        let selector = Selector(wireName: name)
        var place = Int(truncatingIfNeeded: selector.rawValue) & (slots.count - 1)
        while let slot = slots[place], slot.selector != selector { place = (place + 1) & (slots.count - 1) }
        guard var slot = slots[place] else {
            slots[place] = Slot(selector: selector, name: name, methods: [method])
            return
        }
        guard slot.name == name, selector.rawValue != 0 else {
            throw TelekinesisError(.invalidUse, "\(slot.name) and \(name) of \(typeName) have the same hash: rename one of them", ran: .no)
        }
        guard !alone else {
            throw TelekinesisError(
                .invalidUse, "\(typeName) has two methods \(name) that differ only in their result: rename one of them", ran: .no)
        }
        slot.methods.append(method)
        slots[place] = slot
    }
}
