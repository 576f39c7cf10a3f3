internal import TelekinesisProtocol

/// What one connection has still to write, and who writes it: pure bookkeeping, under its owner's lock.
///
/// One thread writes at a time. What the system does not take stays here until the connection is writable again. A pong waits only for
/// what was begun before it, and only the last ping is answered (RFC 6455 §5.5.3), so that nothing a peer sends can make this grow.
struct Outbox {
    private enum Writer {
        case none
        /// Some thread writes. `mayGoOn`: the connection became writable meanwhile, perhaps after the write that fell short.
        case active(mayGoOn: Bool)
        /// The connection is full; it will say when it is not.
        case full
    }

    private var writer = Writer.none
    /// What fell short, then messages that came while another thread was writing. Each is a frame from its start on.
    private var waiting: [OutgoingMessage] = []
    private var pong: [UInt8]?
    private var close: [UInt8]?

    mutating func add(_ frames: [OutgoingMessage]) { waiting += frames }

    mutating func addPong(_ frame: [UInt8]) { pong = frame }

    mutating func addClose(_ frame: [UInt8]) { close = frame }

    /// True if the calling thread is now the one that writes, until `next()` has nothing or `fellShort` says that the connection is full.
    mutating func beginWriting() -> Bool {
        guard case .none = writer else { return false }
        writer = .active(mayGoOn: false)
        return true
    }

    /// What to write next; nil when that was all, and with it the writing.
    mutating func next() -> [OutgoingMessage]? {
        if !waiting.isEmpty {
            defer { waiting = [] }
            return waiting
        }
        if let frame = pong.take() ?? close.take() { return [OutgoingMessage(bytes: frame, start: 0)] }
        writer = .none
        return nil
    }

    /// The system took only a part. Gives `rest` back when the writer should go on with it at once; else it stays here, to go first.
    mutating func fellShort(_ rest: [OutgoingMessage]) -> [OutgoingMessage]? {
        if case .active(mayGoOn: true) = writer {
            writer = .active(mayGoOn: false)
            return rest
        }
        waiting = rest + waiting
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
