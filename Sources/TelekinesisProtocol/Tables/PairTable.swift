/// A table from pairs of 64-bit integers to values: calls by caller and number, objects by both halves of their key.
///
/// The pair is folded into one integer with two numbers that only this process knows, so nobody can choose pairs that meet (in one of 2⁶⁴ cases the later
/// one would take the other's place); and what is found is compared as a whole.
@frozen
public struct PairTable<Value>: ~Copyable {
    /// A key and its value.
    @usableFromInline
    struct Slot {
        @usableFromInline let key: PairKey
        @usableFromInline var value: Value

        @inlinable
        init(key: PairKey, value: consuming Value) {
            self.key = key
            self.value = value
        }
    }

    @usableFromInline var slots = IntegerTable<Slot>()
    @usableFromInline let secret: PairKey

    /// An empty table.
    @inlinable
    public init() { secret = PairTableSecret.value }

    /// How many values there are.
    @inlinable
    public var count: Int { slots.count }

    /// Whether there is no value.
    @inlinable
    public var isEmpty: Bool { slots.isEmpty }

    /// The value of a key.
    @inlinable
    public subscript(key: PairKey) -> Value? {
        get {
            guard let slot = slots[fold(key)], slot.key == key else { return nil }
            return slot.value
        }
        set {
            if let newValue { slots.insert(Slot(key: key, value: newValue), for: fold(key)) } else { remove(key) }
        }
    }

    /// Takes the value of a key out.
    @inlinable
    @discardableResult
    public mutating func remove(_ key: PairKey) -> Value? {
        let folded = fold(key)
        guard slots.update(folded, { $0.key == key }) == true else { return nil }
        return slots.remove(folded)?.value
    }

    /// Changes the value of a key in place.
    ///
    /// - Returns: what `body` returns; `nil` when the key has no value.
    @inlinable
    public mutating func update<Result>(_ key: PairKey, _ body: (inout Value) -> Result) -> Result? {
        slots.update(fold(key)) { $0.key == key ? body(&$0.value) : nil } ?? nil
    }

    /// Visits all keys and values, in no order.
    @inlinable
    public func forEach(_ body: (PairKey, borrowing Value) -> Void) { slots.forEach { body($1.key, $1.value) } }

    /// The values that satisfy a condition, in no order.
    @inlinable
    public func values(where condition: (PairKey, Value) -> Bool) -> [Value] {
        var found: [Value] = []
        slots.forEach { if condition($1.key, $1.value) { found.append($1.value) } }
        return found
    }

    /// Both halves of a product of which nobody else knows a factor. A sum or an exclusive or with one product would not do: pairs that differ in the highest
    /// bits of both parts would meet, whatever the secret.
    @inlinable
    @inline(__always)
    func fold(_ key: PairKey) -> UInt64 {
        let (high, low) = (key.first ^ secret.first).multipliedFullWidth(by: key.second ^ secret.second)
        return high ^ low
    }
}

/// What a value is found by.
@frozen
public struct PairKey: Equatable, Sendable {
    @usableFromInline let first: UInt64
    @usableFromInline let second: UInt64

    /// A pair.
    @inlinable
    public init(_ first: UInt64, _ second: UInt64) {
        self.first = first
        self.second = second
    }
}

@usableFromInline
enum PairTableSecret {
    @usableFromInline static let value = PairKey(.random(in: 0...UInt64.max), .random(in: 0...UInt64.max))
}

extension ActorKey {
    /// The key as a table has it.
    @inlinable public var pair: PairKey { .init(low, high) }
}
