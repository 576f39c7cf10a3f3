internal import Synchronization
internal import TelekinesisProtocol

/// A value that changes, and those who wait for it to change. Nothing is kept for a follower but the count of changes that it has seen.
final class StateCore<Value: Codable & Sendable>: Sendable {
    private struct State {
        var value: Value
        /// Rises with each change.
        var version: UInt64 = 1
        var end: TelekinesisError?
        /// Followers that have seen the newest value.
        var waiting: [UInt64: UnsafeContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var followers = 0
    }

    /// What a follower gets next.
    enum Next {
        case value(Value, UInt64)
        case end(TelekinesisError)
        case nothing
    }

    /// Under which it is handed over.
    let key = ActorKey.random()
    private let state: Mutex<State>
    /// Whether a value is what it was; `nil` where nobody can tell.
    let isEqual: (@Sendable (Value, Value) -> Bool)?

    static var ownerHasEnded: TelekinesisError {
        TelekinesisError(.noSuchObject, "the object whose state was followed has ended", ran: .yes)
    }

    init(_ value: Value, isEqual: (@Sendable (Value, Value) -> Bool)?) {
        state = Mutex(State(value: value))
        self.isEqual = isEqual
    }

    var value: Value { state.withLock { $0.value } }

    /// How many follow at present.
    var followers: Int { state.withLock { $0.followers } }

    /// Followers wake up and look for themselves.
    func set(_ value: Value) {
        if let isEqual, isEqual(value, self.value) { return }
        // What was there ends outside of the lock.
        var old = value
        let waiting = state.withLock { state in
            swap(&state.value, &old)
            state.version += 1
            defer { state.waiting = [:] }
            return state.waiting
        }
        wake(waiting)
        withExtendedLifetime(old) {}
    }

    /// Nothing more will come.
    func end(_ error: TelekinesisError) {
        let waiting = state.withLock { state in
            state.end = state.end ?? error
            defer { state.waiting = [:] }
            return state.waiting
        }
        wake(waiting)
    }

    /// More than a few are woken by a task of its own: whoever sets the value does not wait for that.
    private func wake(_ waiting: [UInt64: UnsafeContinuation<Void, Never>]) {
        guard waiting.count > 16 else {
            for continuation in waiting.values { continuation.resume() }
            return
        }
        Task.detached { for continuation in waiting.values { continuation.resume() } }
    }

    // MARK: Followers

    func began() { state.withLock { $0.followers += 1 } }
    func stopped() { state.withLock { $0.followers -= 1 } }

    /// What is new to a follower that has seen so much.
    func next(after version: UInt64) -> Next {
        state.withLock { state in
            if state.version > version { return .value(state.value, state.version) }
            return state.end.map { .end($0) } ?? .nothing
        }
    }

    /// Waits until there may be something new, or the task is cancelled.
    nonisolated(nonsending) func change(after version: UInt64) async {
        let waiter = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.version > version || state.end != nil || Task.isCancelled { return true }
                    state.waiting[waiter] = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: waiter) }?.resume()
        }
    }
}

/// One who follows a value of this process.
final class StateFollower<Value: Codable & Sendable>: @unchecked Sendable {  // Belongs to one task at a time.
    private let core: StateCore<Value>
    private var version: UInt64 = 0
    private var last: Value?

    init(_ core: StateCore<Value>) {
        self.core = core
        core.began()
    }

    deinit { core.stopped() }

    /// The newest value, as soon as it is another one than before.
    ///
    /// - Throws: what the state ends with; `CancellationError`.
    nonisolated(nonsending) func next() async throws -> Value {
        while true {
            try Task.checkCancellation()
            switch core.next(after: version) {
            case .value(let value, let version):
                self.version = version
                if let isEqual = core.isEqual {
                    // It may have changed and changed back.
                    if let last, isEqual(last, value) { continue }
                    last = value
                }
                return value
            case .end(let error): throw error
            case .nothing: await core.change(after: version)
            }
        }
    }
}
