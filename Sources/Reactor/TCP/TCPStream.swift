internal import CSystem
internal import Glibc
internal import Synchronization

/// Why a stream ended.
public enum StreamEnd: Sendable, Equatable {
    /// This side closed it, or its loop was shut down.
    case closed
    /// The peer ended its side, after everything it sent was received.
    case ended
    /// The connection broke.
    case failed(SystemError)
}

/// What a stream tells its owner. All of it is called by the stream's loop outside jobs, one call at a time, and must be brief: no user code.
public protocol StreamHandler: AnyObject, Sendable {
    /// Bytes have come. They may be modified in place, and are gone when this returns: what is incomplete the handler keeps itself.
    func received(_ bytes: UnsafeMutableRawBufferPointer)
    /// The system takes bytes again, after a `write` that took fewer than offered. May come without need.
    func writable()
    /// The stream has ended. Called exactly once and last, never from within `close()` or `write`.
    func closed(_ reason: StreamEnd)
}

/// A TCP connection (RFC 9293) that belongs to an event loop.
///
/// An idle stream owns no buffer: the loop's streams share one for reading, and what the system does not take on writing stays with the caller.
public final class TCPStream: Sendable {
    /// Where the stream stands: not open yet, open, or why it is closed (a positive number is the system's error).
    private struct Phase: RawRepresentable, Equatable, AtomicRepresentable {
        static let new = Phase(rawValue: -1)
        static let open = Phase(rawValue: -2)
        static let ended = Phase(rawValue: -3)
        static let closed = Phase(rawValue: 0)

        let rawValue: Int32
    }

    /// The loop that reads for this stream.
    public let loop: EventLoop
    /// The peer's address.
    public let remoteAddress: SocketAddress
    /// The address of this end.
    public let localAddress: SocketAddress

    private let descriptor: SharedDescriptor
    private let phase = Atomic<Phase>(.new)
    private let wantsWritable = Atomic<Bool>(false)
    private let isPaused = Atomic<Bool>(false)
    /// The error that a write met; reading then finds only that the stream is over.
    private let writeError = Atomic<Int32>(0)
    // Set when the stream is made.
    nonisolated(unsafe) private var watch: Watch?
    // Set before the stream is open, then touched by the loop alone.
    nonisolated(unsafe) private var handler: (any StreamHandler)?
    nonisolated(unsafe) private var peerHasEnded = false

    /// Takes a connected, non-blocking socket. Nothing happens until `open`.
    init(_ socket: Int32, on loop: EventLoop, remoteAddress: SocketAddress) {
        self.loop = loop
        self.remoteAddress = remoteAddress
        localAddress = SocketAddress.ofSocket(socket) ?? .v4(0, port: 0)
        descriptor = SharedDescriptor(socket)
        _ = tk_no_delay(socket)
        watch = Watch(socket, self)
    }

    /// Begins to call the handler. Once only.
    func open(_ handler: any StreamHandler) {
        guard let watch else { return }
        self.handler = handler
        do {
            try loop.begin(watch, for: Self.interest)
        } catch {
            phase.store(Phase(rawValue: error.number), ordering: .relaxed)
            watch.end()
            return
        }
        // Closed before it was open: nobody else has told the loop.
        if !move(from: .new, to: .open) { loop.end(watch) }
    }

    private static let interest: Interest = [.readable, .writable, .onChange]

    /// Reads nothing for a while: what comes meanwhile waits at the system, and then at the sender. To be called by the handler from within `received`.
    ///
    /// - Parameters:
    ///   - nanoseconds: how long.
    ///   - goesOn: asked then: whether for as long again.
    public func pauseReading(for nanoseconds: UInt64, andWhile goesOn: @escaping @Sendable () -> Bool = { false }) {
        guard let watch, !isPaused.exchange(true, ordering: .relaxed) else { return }
        resumeReading(after: nanoseconds, unless: goesOn, watch)
    }

    private func resumeReading(after nanoseconds: UInt64, unless goesOn: @escaping @Sendable () -> Bool, _ watch: Watch) {
        _ = loop.schedule(after: Int64(clamping: nanoseconds)) { [self] in
            if phase.load(ordering: .relaxed) == .open, goesOn() { return resumeReading(after: nanoseconds, unless: goesOn, watch) }
            isPaused.store(false, ordering: .relaxed)
            // Whatever is there is reported anew.
            _ = descriptor.use { loop.poller.change($0, to: Self.interest, token: watch.token) }
        }
    }

    /// Gives up a stream that was never opened.
    func discard() {
        close()
        watch?.end()
    }

    /// Offers bytes to the system, without blocking.
    ///
    /// Callable from any thread, by one at a time.
    /// - Returns: how many bytes were taken. If fewer than offered, `writable()` will be called, or `closed`.
    public func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        var sent = send(bytes)
        if sent == bytes.count { return sent }
        // The loop may have passed on the news of free space while nobody waited for it: ask again now that somebody does.
        wantsWritable.store(true, ordering: .sequentiallyConsistent)
        while sent < bytes.count {
            let more = send(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
            if more == 0 { return sent }
            sent += more
        }
        wantsWritable.store(false, ordering: .relaxed)
        return sent
    }

    /// Offers several buffers to the system in one call, without blocking; as `write(_:)` does.
    public func write(_ buffers: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int {
        if buffers.count == 1 { return write(buffers[0]) }
        var total = 0
        var next = 0
        while next < buffers.count {
            let end = min(next + Self.vectorLimit, buffers.count)
            var left = sendVector(UnsafeBufferPointer(rebasing: buffers[next..<end]))
            total += left
            // Where the system stopped short, go on one buffer at a time until it refuses.
            while next < end {
                let buffer = buffers[next]
                if left < buffer.count {
                    let rest = UnsafeRawBufferPointer(rebasing: buffer[left...])
                    let taken = write(rest)
                    total += taken
                    if taken < rest.count { return total }
                    left = 0
                } else {
                    left -= buffer.count
                }
                next += 1
            }
        }
        return total
    }

    private static let vectorLimit = 64

    /// Tells the peer that no more bytes will come; it can go on sending.
    public func shutdownWrite() {
        _ = descriptor.use { Glibc.shutdown($0, Int32(SHUT_WR)) }
    }

    /// Closes the stream; `closed` follows soon. What the system has taken still reaches the peer, unless bytes of the peer's are unread.
    /// Callable from any thread, any number of times.
    public func close() {
        close(Phase.closed)
    }

    private func close(_ end: Phase) {
        // In the order in which a stream goes through its phases, or one that is being opened in between would stay open.
        if move(from: .new, to: end) { return }
        if move(from: .open, to: end), let watch { loop.end(watch) }
    }

    private func move(from old: Phase, to new: Phase) -> Bool {
        phase.compareExchange(expected: old, desired: new, ordering: .acquiringAndReleasing).exchanged
    }
}

// MARK: - Writing

extension TCPStream {
    private func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        sent(bytes.isEmpty ? 0 : descriptor.use { tk_send($0, bytes.baseAddress, bytes.count) })
    }

    private func sendVector(_ buffers: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: buffers.count) { vector in
            for (index, buffer) in buffers.enumerated() {
                vector[index] = iovec(iov_base: UnsafeMutableRawPointer(mutating: buffer.baseAddress), iov_len: buffer.count)
            }
            return sent(descriptor.use { tk_send_vector($0, vector.baseAddress, buffers.count) })
        }
    }

    private func sent(_ result: Int?) -> Int {
        guard let result else { return 0 }
        if result >= 0 { return result }
        // A broken connection shows itself to the loop as well, after the last bytes received: there is nothing to do about it here.
        let error = errno
        if error != EAGAIN, error != EINTR { writeError.store(error, ordering: .relaxed) }
        return 0
    }
}

// MARK: - Called by the loop

extension TCPStream: PollSource {
    func ready(_ readiness: Readiness, on loop: EventLoop) -> Bool {
        if readiness.contains(.ended) { peerHasEnded = true }
        if readiness.contains(.writable), wantsWritable.load(ordering: .relaxed),
            wantsWritable.exchange(false, ordering: .sequentiallyConsistent)
        {
            handler?.writable()
        }
        guard readiness.contains(.readable) || peerHasEnded, !isPaused.load(ordering: .relaxed) else { return false }
        // Closed in the meantime: nothing more is received.
        guard let count = descriptor.use({ read($0, loop.scratch.baseAddress, loop.scratch.count) }), isOpen else { return false }
        if count > 0 {
            handler?.received(UnsafeMutableRawBufferPointer(rebasing: loop.scratch[..<count]))
            // A short read has emptied the socket (epoll(7)); a full one goes on in the next turn, after the others' share.
            return (count == loop.scratch.count || peerHasEnded) && !isPaused.load(ordering: .relaxed)
        }
        if count == 0 {
            let error = writeError.load(ordering: .relaxed)
            close(error == 0 ? .ended : Phase(rawValue: error))
            return false
        }
        switch errno {
        case EAGAIN: return false
        case EINTR: return true
        case let error:
            close(Phase(rawValue: error))
            return false
        }
    }

    func unwatched() {
        // The loop ends watches of its own accord when it stops.
        if !move(from: .new, to: .closed) { _ = move(from: .open, to: .closed) }
        descriptor.close()
        guard let handler else { return }
        self.handler = nil
        switch phase.load(ordering: .acquiring) {
        case .ended: handler.closed(.ended)
        case .closed: handler.closed(.closed)
        case let failure: handler.closed(.failed(SystemError(number: failure.rawValue, operation: "connection with \(remoteAddress)")))
        }
    }

    private var isOpen: Bool {
        let phase = phase.load(ordering: .relaxed)
        // The first bytes may come while `open` has not returned yet.
        return phase == .open || phase == .new
    }
}
