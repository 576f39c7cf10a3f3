/// A table from pairs of 64-bit integers to values: calls by caller and number, objects by both halves of their key.
///
/// The pair is folded into one integer with two numbers that only this process knows, so nobody can choose pairs that meet (in one of 2⁶⁴ cases the later
/// one would take the other's place); and what is found is compared as a whole.
public struct PairTable<Value>: ~Copyable {
    private var slots = IntegerTable<(key: PairKey, value: Value)>()

    /// An empty table.
    public init() {}

    /// How many values there are.
    public var count: Int { slots.count }

    /// Whether there is no value.
    public var isEmpty: Bool { slots.isEmpty }

    /// The value of a key.
    public subscript(key: PairKey) -> Value? {
        get {
            guard let slot = slots[key.folded], slot.key == key else { return nil }
            return slot.value
        }
        set {
            if let newValue { slots.insert((key, newValue), for: key.folded) } else { remove(key) }
        }
    }

    /// Takes the value of a key out.
    @discardableResult
    public mutating func remove(_ key: PairKey) -> Value? {
        guard let slot = slots[key.folded], slot.key == key else { return nil }
        return slots.remove(key.folded)?.value
    }

    /// The values that satisfy a condition, in no order.
    public func values(where condition: (PairKey, Value) -> Bool) -> [Value] {
        var found: [Value] = []
        slots.forEach { if condition($1.key, $1.value) { found.append($1.value) } }
        return found
    }
}

/// What a value is found by.
public struct PairKey: Equatable, Sendable {
    let first: UInt64
    let second: UInt64

    /// A pair.
    public init(_ first: UInt64, _ second: UInt64) {
        self.first = first
        self.second = second
    }

    /// Both halves of a product of which nobody else knows a factor. A sum or an exclusive or with one product would not do: pairs that differ in the highest
    /// bits of both parts would meet, whatever the secret.
    var folded: UInt64 {
        let (high, low) = (first ^ PairTableSecret.first).multipliedFullWidth(by: second ^ PairTableSecret.second)
        return high ^ low
    }
}

private enum PairTableSecret {
    static let first = UInt64.random(in: 0...UInt64.max)
    static let second = UInt64.random(in: 0...UInt64.max)
}

extension ActorKey {
    /// The key as a table has it.
    public var pair: PairKey { .init(low, high) }
}
