internal import Reactor
internal import Synchronization
internal import TelekinesisProtocol

/// An object that this node has made elsewhere, or that a call is to return, under a key of this node's choice. It is released when its last proxy is
/// gone, or as soon afterwards as its place is known.
final class RemoteInstance: Lease {
    struct State {
        weak var target: ActorTarget?
        /// Where it is to be given back, as soon as that is known; the hub knows where it sent a construction that was not answered.
        var node: NodeID?
        var failure: (any Error)?
        var hasEnded = false
        var isForgotten = false
        /// Those that wait until it is made, or is not.
        var settlements: [Waiter] = []
        /// The construction is held up; these calls wait until it has left, in order.
        var isDetained = false
        var departures: [Waiter] = []

        /// Whether the construction has succeeded or failed.
        var isOver: Bool { failure != nil || node != nil }
    }

    /// Somebody who waits for a step of the construction.
    struct Waiter {
        let number: UInt64
        let continuation: UnsafeContinuation<Void, any Error>
        let timer: Timer

        /// The step has come.
        func resume() {
            timer.cancel()
            continuation.resume()
        }
    }

    let target = Mutex(State())
    private let key: ActorKey
    private let session: NodeSession
    /// The node that is to make it, where that was known from the beginning: then the hub knows nothing of it.
    private let home: NodeID?
    /// On which it was made.
    private let connection: UInt64

    init(key: ActorKey, session: NodeSession, at home: NodeID? = nil) {
        self.key = key
        connection = session.connection.load(ordering: .relaxed)
        self.session = session
        self.home = home
    }

    /// Why it was not made; `nil` when it was, or may still be.
    var failure: (any Error)? { target.withLock { $0.failure } }

    /// Whether it is there, as far as this node knows.
    var isSettled: Bool { target.withLock { $0.node != nil && $0.failure == nil } }

    var isLost: Bool { session.connection.load(ordering: .relaxed) != connection }

    /// The construction does not leave at once.
    func detain() { target.withLock { $0.isDetained = true } }

    /// It has left, or will not.
    func depart() {
        let departures = target.withLock { state in
            state.isDetained = false
            defer { state.departures = [] }
            return state.departures
        }
        for waiter in departures { waiter.resume() }
    }

    /// Waits until the construction has left.
    ///
    /// - Throws: its error, when that is known by then; `deadlineExceeded` or `cancelled` when that comes before.
    @inline(never)
    nonisolated(nonsending) func departure() async throws {
        try await wait(in: \.departures, .current, ran: .no) { !$0.isDetained }
        if let absence { throw absence }
    }

    /// Waits until the object is made.
    ///
    /// - Parameters:
    ///   - scope: says for how long at most.
    ///   - ran: whether a method has run whose answer waits for this.
    /// - Throws: the error of its construction; `deadlineExceeded` or `cancelled` when that comes before.
    nonisolated(nonsending) func settlement(in scope: CallScope, ran: TelekinesisError.Execution = .no) async throws {
        try await wait(in: \.settlements, scope, ran: ran) { $0.isOver }
        if let failure { throw failure }
    }

    private typealias Waiters = any WritableKeyPath<State, [Waiter]> & Sendable

    private nonisolated(nonsending) func wait(
        in waiters: Waiters, _ scope: CallScope, ran: TelekinesisError.Execution, _ hasCome: @Sendable (borrowing State) -> Bool
    ) async throws {
        guard !target.withLock({ hasCome($0) }) else { return }
        let deadline = scope.deadline(at: session.loop.now).time
        let number = session.nextCall.add(1, ordering: .relaxed).oldValue
        let isLate = TelekinesisError(.deadlineExceeded, "the deadline passed while an object was being made", ran: ran)
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let now = session.loop.now
                let timer = session.loop.schedule(after: Int64(clamping: deadline > now ? deadline - now : 0)) { [weak self] in
                    self?.giveUp(number, in: waiters, isLate)
                }
                let waits = target.withLock { state in
                    if hasCome(state) { return false }
                    state[keyPath: waiters].append(Waiter(number: number, continuation: continuation, timer: timer))
                    return true
                }
                guard waits else {
                    timer.cancel()
                    return continuation.resume()
                }
                // Cancelled, or late, before it was noted.
                if Task.isCancelled { giveUp(number, in: waiters, NodeSession.wasCancelled(ran: ran)) }
                if session.loop.now >= deadline { giveUp(number, in: waiters, isLate) }
            }
        } onCancel: {
            giveUp(number, in: waiters, NodeSession.wasCancelled(ran: ran))
        }
    }

    private func giveUp(_ number: UInt64, in waiters: Waiters, _ reason: TelekinesisError) {
        let waiter = target.withLock { state in
            state[keyPath: waiters].firstIndex { $0.number == number }.map { state[keyPath: waiters].remove(at: $0) }
        }
        waiter?.timer.cancel()
        waiter?.continuation.resume(throwing: reason)
    }

    /// Why it was not made, as calls of it say it.
    var absence: (any Error)? {
        guard let failure else { return nil }
        guard var error = failure as? TelekinesisError else { return failure }
        error.ran = .no
        return error
    }

    /// The construction has failed, as far as interceptors leave it at that.
    func fail(_ failure: (any Error)?) { target.withLock { $0.failure = failure } }

    /// The construction, or the call that is to return it, has succeeded or failed.
    ///
    /// - Parameters:
    ///   - failure: its error, of its own type where that is known here.
    ///   - known: where it is, of one that failed afterwards.
    func settled(_ result: Result<Reply, TelekinesisError>, failure: (any Error)?, at known: NodeID? = nil) {
        let place: NodeID = if let home { home } else if case .success(let reply) = result { reply.source } else { known ?? .hub }
        let (proxy, hasEnded, waiters) = target.withLock { state in
            state.node = place
            state.failure = failure
            defer { state.settlements = [] }
            return (state.target, state.hasEnded, state.settlements)
        }
        proxy?.node = place
        for waiter in waiters { waiter.resume() }
        if hasEnded {
            release(at: place)
        } else if home == nil {
            // Calls that are leaving just now may still ask the hub for the place.
            _ = session.loop.schedule(after: 1_000_000_000) { self.forget() }
        }
    }

    /// The last proxy has gone.
    func end() {
        let node = target.withLock { state in
            state.hasEnded = true
            return state.node
        }
        if let node { release(at: node) }
    }

    private func release(at node: NodeID) {
        session.send(FrameWriter.release(key, of: node, count: 1, flags: .result))
        forget()
    }

    /// The hub need not know the place any longer.
    private func forget() {
        guard home == nil else { return }
        let isFirst = target.withLock { state in
            defer { state.isForgotten = true }
            return !state.isForgotten
        }
        if isFirst { session.send(FrameWriter.forget(key)) }
    }
}

extension ActorTarget {
    /// Why a class has made no instance: the constructor's own error where its type is known here.
    func constructionFailure(in result: Result<Reply, TelekinesisError>) -> (any Error)? {
        let failure = failure(in: result)
        guard var error = failure as? TelekinesisError, error.code == .noSuchMethod else { return failure }
        error.message = "“\(ActorID(self))”: \(error.message)"
        return error
    }

    /// Explains a reply to its caller: where the object was never made, the reason is that of its construction, and where it has ended with a connection
    /// of this node, that is the reason.
    ///
    /// - Throws: the reason in place of such a reply.
    func explain(_ reply: borrowing Reply) throws {
        guard reply.flags.contains(.isError) else { return }
        if let failure = absence { throw failure }
        guard reply.flags.ran == .no, lease?.isLost ?? false else { return }
        var error = reply.error
        guard error.code == .noSuchObject || error.code == .disconnected else { return }
        let reason = "this node's connection to the hub was lost, and with it what the node held of others"
        error.message = "\(reason): make \(ActorID(self)) or get it anew"
        throw error
    }

    /// Whether this is an object that is being made elsewhere, or was not made: a call of it then waits for ``departure()``.
    var isUnsettled: Bool {
        guard case .remote = place, node == .hub else { return false }
        return lease is RemoteInstance
    }

    /// Waits until the construction of the object has left.
    ///
    /// - Throws: why the object was never made, where no node would know that: calls to it need not leave.
    @inline(never)
    nonisolated(nonsending) func departure() async throws { try await (lease as? RemoteInstance)?.departure() }

    /// Why the object was never made: the error of its construction, or of the call that should have returned it.
    var absence: (any Error)? {
        (lease as? RemoteInstance)?.absence
    }
}
