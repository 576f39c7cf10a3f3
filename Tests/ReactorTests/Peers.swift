import Glibc
import Synchronization

@testable import Reactor

/// A handler whose stream is known to it, and which reports its end once.
class Peer: StreamHandler, @unchecked Sendable {
    // `stream` is set before anything else is called; the rest is guarded by the lock.
    nonisolated(unsafe) weak var stream: TCPStream?
    private let state = Mutex<(end: StreamEnd?, ends: Int, waiting: [CheckedContinuation<StreamEnd, Never>])>((nil, 0, []))

    func received(_ bytes: UnsafeMutableRawBufferPointer) {}

    func writable() {}

    func closed(_ reason: StreamEnd) {
        let waiting = state.withLock { state in
            state.end = reason
            state.ends += 1
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: reason) }
    }

    var ends: Int { state.withLock { $0.ends } }

    var end: StreamEnd {
        get async {
            await withCheckedContinuation { continuation in
                let end = state.withLock { state in
                    if state.end == nil { state.waiting.append(continuation) }
                    return state.end
                }
                if let end { continuation.resume(returning: end) }
            }
        }
    }
}

/// Sends back what it gets, keeping what the system does not take yet.
final class EchoPeer: Peer, @unchecked Sendable {
    // Touched by the stream's loop alone.
    nonisolated(unsafe) private var backlog: [UInt8] = []

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let stream else { return }
        if backlog.isEmpty {
            let taken = stream.write(UnsafeRawBufferPointer(bytes))
            backlog.append(contentsOf: bytes[taken...])
        } else {
            backlog.append(contentsOf: bytes)
        }
    }

    override func writable() {
        guard let stream, !backlog.isEmpty else { return }
        let taken = backlog.withUnsafeBytes { stream.write($0) }
        backlog.removeFirst(taken)
    }
}

/// Sends back what it gets, and then reads nothing for a while.
final class PausingPeer: Peer, @unchecked Sendable {
    static let pause: UInt64 = 50_000_000

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        _ = stream?.write(UnsafeRawBufferPointer(bytes))
        stream?.pauseReading(for: Self.pause)
    }
}

/// Collects what it gets, for a test to wait for.
final class ClientPeer: Peer, @unchecked Sendable {
    private struct Inbox {
        var bytes: [UInt8] = []
        var needed = 0
        var waiting: CheckedContinuation<[UInt8], Never>?
    }

    private let inbox = Mutex(Inbox())
    private let isWritable = Mutex<(flag: Bool, waiting: CheckedContinuation<Void, Never>?)>((false, nil))

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        let (waiting, taken) = inbox.withLock { inbox in
            inbox.bytes.append(contentsOf: bytes)
            return Self.take(&inbox)
        }
        waiting?.resume(returning: taken)
    }

    override func writable() {
        let waiting = isWritable.withLock { state in
            state.flag = true
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    override func closed(_ reason: StreamEnd) {
        super.closed(reason)
        let (waiting, rest) = inbox.withLock { inbox in
            defer { inbox.waiting = nil }
            return (inbox.waiting, inbox.bytes)
        }
        waiting?.resume(returning: rest)
    }

    /// Waits for so many bytes; fewer come if the stream ends.
    func read(_ count: Int) async -> [UInt8] {
        await withCheckedContinuation { continuation in
            let (waiting, taken) = inbox.withLock { inbox in
                inbox.needed = count
                inbox.waiting = continuation
                return Self.take(&inbox)
            }
            waiting?.resume(returning: taken)
        }
    }

    func write(_ bytes: [UInt8]) async {
        guard let stream else { return }
        var sent = 0
        while sent < bytes.count {
            isWritable.withLock { $0.flag = false }
            let taken = bytes[sent...].withUnsafeBytes { stream.write($0) }
            sent += taken
            if sent < bytes.count { await becomesWritable() }
        }
    }

    private func becomesWritable() async {
        await withCheckedContinuation { continuation in
            let isWritable = isWritable.withLock { state in
                if !state.flag { state.waiting = continuation }
                return state.flag
            }
            if isWritable { continuation.resume() }
        }
    }

    private static func take(_ inbox: inout Inbox) -> (CheckedContinuation<[UInt8], Never>?, [UInt8]) {
        guard let waiting = inbox.waiting, inbox.bytes.count >= inbox.needed else { return (nil, []) }
        inbox.waiting = nil
        let taken = Array(inbox.bytes[..<inbox.needed])
        inbox.bytes.removeFirst(inbox.needed)
        return (waiting, taken)
    }
}

/// A server on the loopback and the means to reach it.
struct Loopback {
    let group: EventLoopGroup
    let listener: TCPListener

    init<Handler: Peer>(
        loops: Int = 1, host: String = "127.0.0.1", _ makePeer: @escaping @Sendable () -> Handler
    ) async throws {
        group = try EventLoopGroup(loops: loops)
        listener = try await TCPListener.listen(host: host, port: 0, group: group) { stream in
            let peer = makePeer()
            peer.stream = stream
            return peer
        }
    }

    func dial(_ host: String = "127.0.0.1", on loop: EventLoop? = nil) async throws -> (TCPStream, ClientPeer) {
        let peer = ClientPeer()
        let stream = try await TCPStream.dial(host: host, port: listener.port, on: loop ?? group.next()) { stream in
            peer.stream = stream
            return peer
        }
        return (stream, peer)
    }

    func stop() {
        listener.close()
        group.shutdown()
    }
}

/// Whether a condition comes true within a minute: a test of what used to hang ends all the same, and other tests may keep the processors busy.
func comesTrue(_ condition: () -> Bool) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(60)
    while !condition() {
        if ContinuousClock.now > end { return false }
        try await Task.sleep(for: .milliseconds(1))
    }
    return true
}
