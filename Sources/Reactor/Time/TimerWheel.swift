/// A hierarchical timer wheel: insertion and cancellation take constant time, whatever the number of timers.
///
/// Eight levels of 64 slots, the finest 1 ms wide, each level 64 times coarser than the one below (Varghese and Lauck, 1987): every
/// 64-bit time in nanoseconds has its slot. Times are of any clock that never goes back. A timer never fires early, and less than 1 ms
/// late for a punctual caller of `advance`.
struct TimerWheel<Payload> {
    /// Names a timer; one that has fired or was cancelled is never named again.
    struct ID: Hashable, Sendable {
        fileprivate let index: Int32
        fileprivate let generation: UInt32
    }

    private static var levels: Int { 8 }
    private static var nanosecondsPerTick: UInt64 { 1_000_000 }
    private static var overdueSlot: Int { levels * 64 }

    private struct Node {
        var payload: Payload?
        var deadline: UInt64 = 0
        var serial: UInt64 = 0
        var generation: UInt32 = 0
        var previous: Int32 = -1
        /// The next node of the slot, or of the free list.
        var next: Int32 = -1
        var slot: Int16 = -1
    }

    private var nodes: [Node] = []
    private var free: Int32 = -1
    /// The first node of each slot; the last slot holds what was overdue on arrival.
    private var heads = [Int32](repeating: -1, count: TimerWheel.overdueSlot + 1)
    /// For each level, a bit for each slot that is not empty.
    private var occupied = [UInt64](repeating: 0, count: TimerWheel.levels)
    /// The tick up to which everything has fired.
    private var elapsed: UInt64
    private var serial: UInt64 = 0

    /// How many timers are waiting.
    private(set) var count = 0

    init(now: UInt64) {
        elapsed = now / Self.nanosecondsPerTick
    }

    /// When `advance` should be called next: never after the earliest deadline's tick, but perhaps before it, where timers of a coarse
    /// level have to be sorted into finer ones.
    var nextAdvance: UInt64? {
        if count == 0 { return nil }
        if heads[Self.overdueSlot] >= 0 { return elapsed * Self.nanosecondsPerTick }
        return nextSlot().map { $0.tick * Self.nanosecondsPerTick }
    }

    /// Adds a timer for `deadline`.
    mutating func insert(at deadline: UInt64, _ payload: Payload) -> ID {
        let index: Int32
        if free >= 0 {
            index = free
            free = nodes[Int(index)].next
        } else {
            index = Int32(nodes.count)
            nodes.append(Node())
        }
        serial += 1
        count += 1
        nodes[Int(index)].payload = payload
        nodes[Int(index)].deadline = deadline
        nodes[Int(index)].serial = serial
        link(index)
        return ID(index: index, generation: nodes[Int(index)].generation)
    }

    /// Takes a timer out; nil if it has fired or was cancelled before.
    mutating func cancel(_ id: ID) -> Payload? {
        let index = Int(id.index)
        guard index < nodes.count, nodes[index].generation == id.generation, nodes[index].payload != nil else { return nil }
        unlink(id.index)
        return release(id.index)
    }

    /// Takes out every timer due at `now`, in the order of their deadlines and, among equal ones, of their insertion.
    mutating func advance(to now: UInt64) -> [Payload] {
        let target = now / Self.nanosecondsPerTick
        guard count > 0 else {
            elapsed = max(elapsed, target)
            return []
        }
        var due = takeSlot(Self.overdueSlot)
        while let (tick, slot) = nextSlot(), tick <= target {
            elapsed = max(elapsed, tick)
            for index in takeSlot(slot) {
                if self.tick(of: nodes[Int(index)].deadline) <= elapsed { due.append(index) } else { link(index) }
            }
        }
        elapsed = max(elapsed, target)
        if due.count > 1 {
            due.sort { (nodes[Int($0)].deadline, nodes[Int($0)].serial) < (nodes[Int($1)].deadline, nodes[Int($1)].serial) }
        }
        return due.compactMap { release($0) }
    }

    /// The first slot that comes up, and the tick at which it does.
    private func nextSlot() -> (tick: UInt64, slot: Int)? {
        for level in 0..<Self.levels where occupied[level] != 0 {
            let shift = UInt64(level * 6)
            let position = (elapsed >> shift) & 63
            // Timers of a level always lie in the round that `elapsed` is in (see `link`): no slot before `position` can be occupied.
            let ahead = occupied[level] >> position
            let slot = position + UInt64(ahead.trailingZeroBitCount)
            let round = (elapsed >> (shift + 6)) << (shift + 6)
            return (round + (slot << shift), level * 64 + Int(slot))
        }
        return nil
    }

    private func tick(of deadline: UInt64) -> UInt64 {
        let whole = deadline / Self.nanosecondsPerTick
        return whole * Self.nanosecondsPerTick == deadline ? whole : whole + 1
    }

    private mutating func link(_ index: Int32) {
        let tick = tick(of: nodes[Int(index)].deadline)
        let slot: Int
        if tick <= elapsed {
            slot = Self.overdueSlot
        } else {
            // The level is that of the highest group of six bits in which the tick differs from now.
            let level = (63 - (elapsed ^ tick).leadingZeroBitCount) / 6
            let place = Int((tick >> UInt64(level * 6)) & 63)
            slot = level * 64 + place
            occupied[level] |= 1 << UInt64(place)
        }
        let head = heads[slot]
        nodes[Int(index)].slot = Int16(slot)
        nodes[Int(index)].previous = -1
        nodes[Int(index)].next = head
        if head >= 0 { nodes[Int(head)].previous = index }
        heads[slot] = index
    }

    private mutating func unlink(_ index: Int32) {
        let (slot, previous, next) = (Int(nodes[Int(index)].slot), nodes[Int(index)].previous, nodes[Int(index)].next)
        if next >= 0 { nodes[Int(next)].previous = previous }
        if previous >= 0 { nodes[Int(previous)].next = next } else { heads[slot] = next }
        if heads[slot] < 0, slot < Self.overdueSlot { occupied[slot / 64] &= ~(1 << UInt64(slot % 64)) }
    }

    private mutating func takeSlot(_ slot: Int) -> [Int32] {
        var taken: [Int32] = []
        var index = heads[slot]
        while index >= 0 {
            taken.append(index)
            index = nodes[Int(index)].next
        }
        heads[slot] = -1
        if slot < Self.overdueSlot { occupied[slot / 64] &= ~(1 << UInt64(slot % 64)) }
        return taken
    }

    private mutating func release(_ index: Int32) -> Payload? {
        let payload = nodes[Int(index)].payload
        nodes[Int(index)].payload = nil
        nodes[Int(index)].generation &+= 1
        nodes[Int(index)].next = free
        free = index
        count -= 1
        return payload
    }
}
