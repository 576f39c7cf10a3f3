import Synchronization
import TelekinesisLink
import TelekinesisProtocol

/// Sends every message back as it came, in order.
final class Echo: TransportReceiver {
    private struct State {
        var backlog: [(isText: Bool, message: [UInt8])] = []
        var isFull = false
        var end: TransportEnd?
        var waiting: CheckedContinuation<TransportEnd, Never>?
    }

    private let transport: WebSocketTransport
    private let state = Mutex(State())

    init(_ transport: WebSocketTransport) { self.transport = transport }

    /// The end of the connection.
    var end: TransportEnd {
        get async {
            await withCheckedContinuation { continuation in
                let end = state.withLock { state in
                    if state.end == nil { state.waiting = continuation }
                    return state.end
                }
                if let end { continuation.resume(returning: end) }
            }
        }
    }

    func received(_ message: UnsafeRawBufferPointer) { send(message, isText: false) }

    func received(text: UnsafeRawBufferPointer) { send(text, isText: true) }

    func writable() {
        state.withLock { $0.isFull = false }
        flush()
    }

    func closed(_ end: TransportEnd) {
        let waiting = state.withLock { state in
            state.end = end
            return state.waiting.take()
        }
        waiting?.resume(returning: end)
    }

    private func send(_ message: UnsafeRawBufferPointer, isText: Bool) {
        let copy = [UInt8](repeating: 0, count: TransportLimits.headroom) + message
        state.withLock { $0.backlog.append((isText, copy)) }
        flush()
    }

    private func flush() {
        while let next = state.withLock({ state in
            state.isFull || state.backlog.isEmpty ? nil : state.backlog.removeFirst()
        }) {
            let messages = [OutgoingMessage(bytes: next.message, start: TransportLimits.headroom)]
            let written = next.isText ? transport.send(text: messages) : transport.send(messages)
            if written == nil { state.withLock { $0.isFull = true } }
        }
    }
}
