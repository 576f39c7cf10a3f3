internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Where a hub is.
enum HubAddress: Sendable {
    /// Over the network.
    case url(WebSocketURL)
    /// In this process.
    case endpoint(any HubEndpoint)

    init(url: String) throws { self = .url(try WebSocketURL(url)) }
}

/// Keeps a session connected: dials, waits for the end of the connection, waits a little, dials again.
final class Connector: Sendable {
    private let session: NodeSession
    private let address: HubAddress
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(session: NodeSession, address: HubAddress) {
        self.session = session
        self.address = address
    }

    /// Opens the session for the first time, and keeps it open from then on.
    ///
    /// - Parameter patience: for how long to try while the hub cannot be reached.
    func start(patience: Duration) async throws {
        let limit = session.loop.now + UInt64(max(0, patience.nanoseconds))
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        var hasFailed = false
        while true {
            do {
                try await connect()
                break
            } catch {
                let delay = backoff.delay(using: &generator)
                guard Self.mayPass(error), session.loop.now + delay < limit else { throw Self.explain(error, address) }
                if !hasFailed { session.configuration.logger.warning("waiting for the hub: \(Self.explain(error, address))") }
                hasFailed = true
                try await sleep(delay)
            }
        }
        let task = Task.detached(executorPreference: session.loop) { [session, address] in
            await Self.keepConnected(session, address)
        }
        self.task.withLock { $0 = task }
    }

    func stop(_ reason: TelekinesisError) {
        task.withLock { $0.take() }?.cancel()
        session.stop(reason)
    }

    private func connect() async throws { try await Self.connect(session, address) }

    private static func connect(_ session: NodeSession, _ address: HubAddress) async throws {
        session.prepareForLink()
        switch address {
        case .endpoint(let hub):
            let link = try hub.join()
            link.start(session)
            try await session.open(link)
        case .url(let url):
            var dialer = WebSocketDialer()
            var limits = session.configuration.link
            dialer.handshake = limits.handshake
            // What others make this node say must not end the connection that it shares: the hub reads whatever comes, so all of it leaves in time.
            limits.unsentWhileReading = min(limits.unsentWhileReading, QueueLimit.relayed)
            let link = try await dialer.dial(url, on: session.loop) { [limits] transport in
                Link(transport, receiver: session, limits: limits)
            }
            try await session.open(link)
        }
    }

    /// Goes on until it is cancelled. Nothing that the other end says ends it: before the welcome nobody knows who the other end is, and
    /// afterwards the hub may be another one tomorrow.
    private static func keepConnected(_ session: NodeSession, _ address: HubAddress) async {
        var backoff = Backoff()
        var refusals = Backoff.ofRefusals
        var generator = SystemRandomNumberGenerator()
        var opened = session.loop.now
        while !Task.isCancelled {
            let reason = await session.linkEnd()
            backoff.stood(for: session.loop.now - opened)
            guard !Task.isCancelled else { return }
            session.configuration.logger.warning("the connection to the hub was lost", ["reason": reason.message])
            var wasRefused = false
            while !Task.isCancelled {
                let delay = wasRefused ? refusals.delay(using: &generator) : backoff.delay(using: &generator)
                guard (try? await sleep(delay, on: session.loop)) != nil else { return }
                do {
                    try await connect(session, address)
                    opened = session.loop.now
                    refusals = .ofRefusals
                    // As loud as the loss: who read of that wants to know that it is over.
                    session.configuration.logger.warning("connected to the hub again")
                    break
                } catch {
                    guard let refusal = refusal(in: error) else {
                        session.state.withLock { $0.unreachable = explain(error, address) as? TelekinesisError }
                        wasRefused = false
                        continue
                    }
                    if !wasRefused {
                        session.configuration.logger.error(
                            "the hub does not let this node in any more; it goes on trying", ["error": "\(error)"])
                    }
                    wasRefused = true
                    session.refused(refusal)
                }
            }
        }
    }

    /// Why whoever answers at the hub's address and this node do not get along; `nil` for what passes by itself: nobody answers, or the hub has no
    /// room just now.
    private static func refusal(in error: any Error) -> TelekinesisError? {
        guard let error = error as? TelekinesisError else { return nil }
        return switch error.code {
        case .unauthenticated, .forbidden, .unsupported, .invalidUse, .protocolViolation: error
        default: nil
        }
    }

    /// Whether another attempt to open the session for the first time may succeed soon.
    private static func mayPass(_ error: any Error) -> Bool {
        refusal(in: error) == nil && !(error is CancellationError) && (error as? TelekinesisError)?.code != .cancelled
    }

    private static func explain(_ error: any Error, _ address: HubAddress) -> any Error {
        if var error = error as? TelekinesisError, error.code != .disconnected, error.code != .unreachable {
            // Whatever the end of the connection says: there was no call.
            error.ran = .no
            return error
        }
        if error is CancellationError { return error }
        guard case .url(let url) = address else { return error }
        let reason = (error as? TelekinesisError)?.message ?? "\(error)"
        return TelekinesisError(
            .unreachable, "the hub at \(url) cannot be reached: \(reason). Is it running? Start one with `tk hub`, or set TK_HUB.",
            cause: error)
    }

    private func sleep(_ nanoseconds: UInt64) async throws { try await Self.sleep(nanoseconds, on: session.loop) }

    private static func sleep(_ nanoseconds: UInt64, on loop: EventLoop) async throws {
        let end = Mutex<Once?>(nil)
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let once = Once { continuation.resume() }
                let timer = loop.schedule(after: Int64(nanoseconds)) { once.run() }
                end.withLock { end in
                    end = Once {
                        timer.cancel()
                        once.run()
                    }
                }
                if Task.isCancelled { end.withLock { $0 }?.run() }
            }
        } onCancel: {
            end.withLock { $0 }?.run()
        }
        try Task.checkCancellation()
    }
}
