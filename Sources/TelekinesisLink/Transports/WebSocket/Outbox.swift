/// What one connection has still to write, and who writes it: pure bookkeeping, under its owner's lock.
///
/// One thread writes at a time. What the system does not take stays here until the connection is writable again. A pong waits only for
/// what was begun before it, and only the last ping is answered (RFC 6455 §5.5.3), so that nothing a peer sends can make this grow.
struct Outbox {
    /// Bytes to write, from `start` on.
    struct Chunk: Equatable {
        var bytes: [UInt8]
        var start: Int
    }

    private enum Writer {
        case none
        /// Some thread writes. `mayGoOn`: the connection became writable meanwhile, perhaps after the write that fell short.
        case active(mayGoOn: Bool)
        /// The connection is full; it will say when it is not.
        case full
    }

    private var writer = Writer.none
    /// What fell short, then a message that came while another thread was writing.
    private var waiting: [Chunk] = []
    private var pong: [UInt8]?
    private var close: [UInt8]?

    mutating func add(_ chunk: Chunk) { waiting.append(chunk) }

    mutating func addPong(_ frame: [UInt8]) { pong = frame }

    mutating func addClose(_ frame: [UInt8]) { close = frame }

    /// True if the calling thread is now the one that writes, until `next()` has nothing or `fellShort` says that the connection is full.
    mutating func beginWriting() -> Bool {
        guard case .none = writer else { return false }
        writer = .active(mayGoOn: false)
        return true
    }

    /// What to write next; nil when that was all, and with it the writing.
    mutating func next() -> Chunk? {
        if !waiting.isEmpty { return waiting.removeFirst() }
        if let frame = pong.take() ?? close.take() { return Chunk(bytes: frame, start: 0) }
        waiting = []
        writer = .none
        return nil
    }

    /// The system took only a part. Gives `rest` back when the writer should go on with it at once; else it stays here, to go first.
    mutating func fellShort(_ rest: Chunk) -> Chunk? {
        if case .active(mayGoOn: true) = writer {
            writer = .active(mayGoOn: false)
            return rest
        }
        waiting.insert(rest, at: 0)
        writer = .full
        return nil
    }

    /// The connection takes bytes again. True if the calling thread is now the one that writes.
    mutating func becameWritable() -> Bool {
        switch writer {
        case .none: return false
        case .active:
            writer = .active(mayGoOn: true)
            return false
        case .full:
            writer = .active(mayGoOn: false)
            return true
        }
    }

    /// Drops everything: the connection has ended.
    mutating func clear() {
        (waiting, pong, close) = ([], nil, nil)
    }
}
