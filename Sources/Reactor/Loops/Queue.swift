/// First in, first out, in a ring that grows when it is full. Neither end allocates otherwise.
struct Queue<Element>: ~Copyable {
    private var storage: UnsafeMutablePointer<Element>
    private var capacity: Int
    private var head = 0
    private(set) var count = 0

    init(minimumCapacity: Int = 64) {
        capacity = 1
        while capacity < minimumCapacity { capacity *= 2 }
        storage = .allocate(capacity: capacity)
    }

    deinit {
        for offset in 0..<count { (storage + ((head + offset) & (capacity - 1))).deinitialize(count: 1) }
        storage.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: consuming Element) {
        if count == capacity { grow() }
        (storage + ((head + count) & (capacity - 1))).initialize(to: element)
        count += 1
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = (storage + head).move()
        head = (head + 1) & (capacity - 1)
        count -= 1
        return element
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        let untilEnd = min(count, capacity - head)
        larger.moveInitialize(from: storage + head, count: untilEnd)
        (larger + untilEnd).moveInitialize(from: storage, count: count - untilEnd)
        storage.deallocate()
        storage = larger
        capacity *= 2
        head = 0
    }
}
