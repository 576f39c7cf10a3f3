internal import CSystem
internal import Glibc
internal import Synchronization

extension TCPStream {
    /// Connects to a host, trying each of its addresses in the order of RFC 6724.
    ///
    /// - Parameters:
    ///   - host: a name or an address literal.
    ///   - port: the port.
    ///   - loop: the loop that the stream will belong to.
    ///   - timeout: nanoseconds for everything, the name look-up included.
    ///   - handler: gives the stream its handler. Called by the loop outside jobs, before anything is received.
    /// - Throws: ``SystemError``: of the look-up, of the last address tried, a time-out (`isTimeout`), or `ECANCELED` when the task is cancelled.
    public static func dial(
        host: String, port: UInt16, on loop: EventLoop, timeout: Int64 = 10_000_000_000,
        handler: @escaping @Sendable (TCPStream) -> any StreamHandler
    ) async throws(SystemError) -> TCPStream {
        let call = Dialling(host: host, port: port, loop: loop, handler: handler)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { call.start($0, timeout: timeout) }
        } onCancel: {
            call.finish(.failure(.cancelled("connect to \(host):\(port)")))
        }
        return try result.get()
    }
}

/// One attempt to reach a host: address after address, until one answers, time is up or nobody wants it any more.
private final class Dialling: Sendable {
    typealias Outcome = Result<TCPStream, SystemError>

    private struct State {
        var caller: CheckedContinuation<Outcome, Never>?
        var outcome: Outcome?
        var addresses: ArraySlice<SocketAddress> = []
        var attempt: Attempt?
        var timer: Timer?
        var deadline: UInt64 = 0
    }

    private let host: String
    private let port: UInt16
    private let loop: EventLoop
    private let handler: @Sendable (TCPStream) -> any StreamHandler
    private let state = Mutex(State())

    init(host: String, port: UInt16, loop: EventLoop, handler: @escaping @Sendable (TCPStream) -> any StreamHandler) {
        self.host = host
        self.port = port
        self.loop = loop
        self.handler = handler
    }

    func start(_ caller: CheckedContinuation<Outcome, Never>, timeout: Int64) {
        let timer = loop.schedule(after: timeout) { [self] in finish(.failure(timedOut)) }
        let early = state.withLock { state in
            // Cancelled before it began.
            if let outcome = state.outcome { return outcome as Outcome? }
            state.caller = caller
            state.timer = timer
            state.deadline = loop.now + UInt64(max(timeout, 0))
            return nil
        }
        if let early {
            timer.cancel()
            caller.resume(returning: early)
            return
        }
        if let literal = SocketAddress(literal: host, port: port) { return resolved([literal]) }
        // Owned by the dialling: ends with the look-up, which cannot be cut short, and whose result then interests nobody.
        Task(executorPreference: loop) { [self] in
            do throws(SystemError) {
                resolved(try await Resolver.addresses(of: host, port: port))
            } catch {
                finish(.failure(error))
            }
        }
    }

    private var timedOut: SystemError { .timedOut("connect to \(host):\(port)") }

    private func resolved(_ addresses: [SocketAddress]) {
        state.withLock { $0.addresses = addresses[...] }
        tryNext(after: SystemError(operation: "connect to \(host)", reason: "the name has no address"))
    }

    /// Goes on to the next address, or gives up with the reason why the last one failed.
    private func tryNext(after failure: SystemError) {
        let (next, left, deadline) = state.withLock { state in
            state.attempt = nil
            let next = state.outcome == nil ? state.addresses.popFirst() : nil
            return (next, state.addresses.count, state.deadline)
        }
        guard let next else {
            finish(.failure(failure))
            return
        }
        let operation = "connect to \(next)"
        let socket = tk_stream_socket(next.family)
        guard socket >= 0 else { return tryNext(after: SystemError(operation: operation)) }
        if next.withSystemAddress({ connect(socket, $0, $1) }) != 0, errno != EINPROGRESS {
            let failure = SystemError(operation: operation)
            Glibc.close(socket)
            return tryNext(after: failure)
        }
        let attempt = Attempt(socket, to: next, on: loop) { [self] result in
            switch result {
            case .success(let socket): connected(socket, to: next)
            case .failure(let failure): tryNext(after: failure)
            }
        }
        let isWanted = state.withLock { state in
            if state.outcome == nil { state.attempt = attempt }
            return state.outcome == nil
        }
        // An address that does not answer leaves their share of the time to the others.
        let now = loop.now
        let share = (deadline > now ? deadline - now : 0) / UInt64(left + 1)
        attempt.start(timeout: left > 0 ? Int64(clamping: share) : nil)
        if !isWanted { attempt.fail(ECANCELED) }
    }

    private func connected(_ socket: Int32, to address: SocketAddress) {
        let stream = TCPStream(socket, on: loop, remoteAddress: address)
        stream.open(handler(stream))
        if !finish(.success(stream)) { stream.close() }
    }

    /// Ends the dialling, once. False if it had ended before.
    @discardableResult
    func finish(_ outcome: Outcome) -> Bool {
        let (isFirst, caller, attempt, timer) = state.withLock { state in
            guard state.outcome == nil else { return (false, nil as CheckedContinuation<Outcome, Never>?, nil as Attempt?, nil as Timer?) }
            state.outcome = outcome
            defer { (state.caller, state.attempt, state.timer) = (nil, nil, nil) }
            return (true, state.caller, state.attempt, state.timer)
        }
        timer?.cancel()
        if case .failure = outcome { attempt?.fail(ECANCELED) }
        caller?.resume(returning: outcome)
        return isFirst
    }
}

/// A socket that is being connected: becomes writable when it is, or has failed.
final class Attempt: PollSource {
    /// Where the attempt stands: not watched yet, watched, or decided (0 when there is a connection, else the system's error).
    private struct Phase: RawRepresentable, Equatable, AtomicRepresentable {
        static let new = Phase(rawValue: -1)
        static let watched = Phase(rawValue: -2)

        let rawValue: Int32
    }

    private let socket: Int32
    private let address: SocketAddress
    private let loop: EventLoop
    private let phase = Atomic<Phase>(.new)
    private let completion: @Sendable (Result<Int32, SystemError>) -> Void
    // Set when the attempt is made.
    nonisolated(unsafe) private var watch: Watch?

    init(
        _ socket: Int32, to address: SocketAddress, on loop: EventLoop,
        _ completion: @escaping @Sendable (Result<Int32, SystemError>) -> Void
    ) {
        self.socket = socket
        self.address = address
        self.loop = loop
        self.completion = completion
        watch = Watch(socket, self)
    }

    /// Waits for the connection. To be called once, whatever has become of the attempt: only then is the socket let go.
    func start(timeout: Int64?) {
        guard let watch else { return }
        if let timeout { _ = loop.schedule(after: timeout) { [weak self] in self?.fail(ETIMEDOUT) } }
        do {
            try loop.begin(watch, for: [.writable, .onChange])
        } catch {
            _ = move(from: .new, to: Phase(rawValue: error.number))
            watch.end()
            return
        }
        // Decided before it was watched: nobody else has told the loop.
        if !move(from: .new, to: .watched) { loop.end(watch) }
    }

    /// Gives the attempt up, for the reason of that number.
    func fail(_ number: Int32) { decide(number) }

    func ready(_ readiness: Readiness, on loop: EventLoop) -> Bool {
        decide(tk_socket_error(socket))
        return false
    }

    func unwatched() {
        // The loop ends watches of its own accord when it stops.
        let cancelled = Phase(rawValue: ECANCELED)
        if !move(from: .new, to: cancelled) { _ = move(from: .watched, to: cancelled) }
        let number = phase.load(ordering: .acquiring).rawValue
        if number == 0 {
            completion(.success(socket))
        } else {
            Glibc.close(socket)
            completion(.failure(SystemError(number: number, operation: "connect to \(address)")))
        }
    }

    private func decide(_ number: Int32) {
        let end = Phase(rawValue: number)
        // Not watched yet: the socket still belongs to whoever is about to have it watched. Looked at in the order in which an attempt goes
        // through its phases, or one that goes on in between would be missed.
        if move(from: .new, to: end) { return }
        if move(from: .watched, to: end), let watch { loop.end(watch) }
    }

    private func move(from old: Phase, to new: Phase) -> Bool {
        phase.compareExchange(expected: old, desired: new, ordering: .acquiringAndReleasing).exchanged
    }
}
