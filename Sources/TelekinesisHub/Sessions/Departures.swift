internal import Reactor
internal import Synchronization

/// Waits for sessions to end.
final class Departures: Sendable {
    private struct State {
        var awaited: Set<ObjectIdentifier>
        var continuation: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    init(_ sessions: [HubSession]) {
        state = Mutex(State(awaited: Set(sessions.map { ObjectIdentifier($0) })))
    }

    /// Waits until all have ended or the time is over.
    ///
    /// - Parameter ask: has them end. The time runs meanwhile.
    func wait(_ time: Duration, on loop: EventLoop, asking ask: () -> Void = {}) async {
        let timer = loop.schedule(after: time.nanoseconds) { self.giveUp() }
        ask()
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.awaited.isEmpty { return true }
                state.continuation = continuation
                return false
            }
            if isOver { continuation.resume() }
        }
        timer.cancel()
    }

    func ended(_ session: HubSession) {
        let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.awaited.remove(ObjectIdentifier(session))
            return state.awaited.isEmpty ? state.continuation.take() : nil
        }
        continuation?.resume()
    }

    private func giveUp() {
        let continuation = state.withLock { state in
            state.awaited = []
            return state.continuation.take()
        }
        continuation?.resume()
    }
}
