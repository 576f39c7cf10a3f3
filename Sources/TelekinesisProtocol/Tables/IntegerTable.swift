/// A table from 64-bit integers to values, for what is looked up with every frame: call ids, node ids, route handles.
///
/// Open addressing with linear probing, and deletion that leaves no tombstones (Knuth, TAOCP 3, §6.4, algorithm R). Keys come from peers, so
/// they are mixed with a number that only this process knows: nobody can choose keys that collide. An empty table owns no memory, and one
/// that was large gives its memory back when it becomes empty.
@frozen
public struct IntegerTable<Value>: ~Copyable {
    /// 0 marks a free slot; the value of key 0 has a place of its own.
    @usableFromInline var keys: UnsafeMutablePointer<UInt64>?
    @usableFromInline var values: UnsafeMutablePointer<Value>?
    @usableFromInline var capacity = 0
    @usableFromInline var used = 0
    @usableFromInline var zero: Value?
    @usableFromInline let seed: UInt64
    /// Always nil. Without a field that is not trivial, unoptimised code of other files takes a table of trivial values for trivial as a whole, and
    /// never calls the deinitialiser (Swift 6.3).
    @usableFromInline let deinitialised: AnyObject? = nil

    /// An empty table.
    @inlinable
    public init() { seed = IntegerTableSeed.value }

    @inlinable
    deinit { Self.free(keys, values, capacity) }

    /// How many values there are.
    @inlinable
    public var count: Int { zero == nil ? used : used + 1 }

    /// Whether there is no value.
    @inlinable
    public var isEmpty: Bool { count == 0 }

    /// The value of a key.
    @inlinable
    public subscript(key: UInt64) -> Value? {
        guard key != 0 else { return zero }
        guard let values, let slot = find(key) else { return nil }
        return values[slot]
    }

    /// Sets the value of a key.
    ///
    /// - Returns: the value it had.
    @inlinable
    @discardableResult
    public mutating func insert(_ value: consuming Value, for key: UInt64) -> Value? {
        guard key != 0 else {
            let old = zero.take()
            zero = value
            return old
        }
        if let values, let slot = find(key) {
            let old = (values + slot).move()
            (values + slot).initialize(to: value)
            return old
        }
        if (used + 1) * 4 > capacity * 3 { resize(to: Swift.max(4, capacity * 2)) }
        place(value, for: key)
        used += 1
        return nil
    }

    /// Takes the value of a key out.
    @inlinable
    @discardableResult
    public mutating func remove(_ key: UInt64) -> Value? {
        guard key != 0 else { return zero.take() }
        guard let keys, let values, var gap = find(key) else { return nil }
        let removed = (values + gap).move()
        keys[gap] = 0
        var slot = gap
        while true {
            slot = (slot + 1) & (capacity - 1)
            guard keys[slot] != 0 else { break }
            // Moves back whatever could no longer be found past the gap.
            let distance = (slot &- home(keys[slot])) & (capacity - 1)
            guard distance >= (slot &- gap) & (capacity - 1) else { continue }
            keys[gap] = keys[slot]
            (values + gap).moveInitialize(from: values + slot, count: 1)
            keys[slot] = 0
            gap = slot
        }
        used -= 1
        if used == 0, capacity > 512 { resize(to: 0) }
        return removed
    }

    /// Changes the value of a key in place.
    ///
    /// - Returns: what `body` returns; `nil` when the key has no value.
    @inlinable
    public mutating func update<Result, Failure>(_ key: UInt64, _ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result?
    {
        guard key != 0 else {
            guard var value = zero.take() else { return nil }
            defer { zero = value }
            return try body(&value)
        }
        guard let values, let slot = find(key) else { return nil }
        return try body(&values[slot])
    }

    /// Visits all keys and values, in no order.
    @inlinable
    public func forEach<Failure>(_ body: (UInt64, borrowing Value) throws(Failure) -> Void) throws(Failure) {
        if let zero { try body(0, zero) }
        guard let keys, let values else { return }
        for slot in 0..<capacity where keys[slot] != 0 { try body(keys[slot], values[slot]) }
    }

    /// Takes everything out.
    @inlinable
    public mutating func removeAll() -> [(key: UInt64, value: Value)] {
        var all: [(key: UInt64, value: Value)] = []
        all.reserveCapacity(count)
        forEach { all.append(($0, $1)) }
        Self.free(keys, values, capacity)
        keys = nil
        values = nil
        capacity = 0
        used = 0
        zero = nil
        return all
    }

    // MARK: Slots

    @inlinable
    @inline(__always)
    func home(_ key: UInt64) -> Int {
        var hash = (key ^ seed) &* 0x9e37_79b9_7f4a_7c15
        hash = (hash ^ hash &>> 32) &* 0xd6e8_feb8_6659_fd93
        return Int(truncatingIfNeeded: hash &>> 32) & (capacity - 1)
    }

    @inlinable
    @inline(__always)
    func find(_ key: UInt64) -> Int? {
        guard let keys else { return nil }
        var slot = home(key)
        while keys[slot] != key {
            if keys[slot] == 0 { return nil }
            slot = (slot + 1) & (capacity - 1)
        }
        return slot
    }

    /// Puts a value that is not there yet into the first free slot of its chain.
    @inlinable
    func place(_ value: consuming Value, for key: UInt64) {
        guard let keys, let values else { return }
        var slot = home(key)
        while keys[slot] != 0 { slot = (slot + 1) & (capacity - 1) }
        keys[slot] = key
        (values + slot).initialize(to: value)
    }

    @inlinable
    mutating func resize(to newCapacity: Int) {
        let (oldKeys, oldValues, oldCapacity) = (keys, values, capacity)
        capacity = newCapacity
        if newCapacity > 0 {
            keys = UnsafeMutablePointer<UInt64>.allocate(capacity: newCapacity)
            keys?.initialize(repeating: 0, count: newCapacity)
            values = UnsafeMutablePointer<Value>.allocate(capacity: newCapacity)
        } else {
            keys = nil
            values = nil
        }
        guard let oldKeys, let oldValues else { return }
        for slot in 0..<oldCapacity where oldKeys[slot] != 0 { place((oldValues + slot).move(), for: oldKeys[slot]) }
        oldKeys.deallocate()
        oldValues.deallocate()
    }

    @inlinable
    static func free(_ keys: UnsafeMutablePointer<UInt64>?, _ values: UnsafeMutablePointer<Value>?, _ capacity: Int) {
        guard let keys, let values else { return }
        for slot in 0..<capacity where keys[slot] != 0 { (values + slot).deinitialize(count: 1) }
        keys.deallocate()
        values.deallocate()
    }
}

// The memory behind the pointers belongs to the table alone, which cannot be copied.
extension IntegerTable: @unchecked Sendable where Value: Sendable {}

@usableFromInline
enum IntegerTableSeed {
    @usableFromInline static let value = UInt64.random(in: 0...UInt64.max)
}
