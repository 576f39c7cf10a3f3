internal import Synchronization
public import TelekinesisProtocol

/// What a method can know of the call that runs it, and say to its caller.
///
/// ```swift
/// distributed func resize(_ image: [UInt8]) throws -> [UInt8] {
///     let context = CallContext.current
///     context.log("asked by \(context.principal?.name ?? "nobody")")
///     context.report(0.4, "resizing")
///     …
/// }
/// ```
///
/// Outside of a call from elsewhere, there is a context as well, in which nobody is calling.
public struct CallContext: Sendable {
    private let scope: CallScope

    /// The context of the running task.
    public static var current: CallContext { CallContext(scope: CallScope.current) }

    private var incoming: IncomingCall? { scope.incoming }

    // MARK: The caller

    /// As whom the hub has let the caller in; `nil` when nobody calls.
    public var principal: Principal? { incoming?.caller?.principal }

    /// The node that calls, as the hub says; `nil` when nobody does.
    public var node: NodeID? { incoming?.id.source }

    /// What the caller has put beside its arguments with ``withHeaders(_:_:)``.
    public var headers: [String: String] { incoming?.metadata?.headers ?? [:] }

    /// The trace that the call belongs to; calls made here belong to it too.
    public var trace: TraceContext? { scope.baggage?.value.trace }

    /// A value that belongs to the calling node's connection: made at its first call, the same at all others, dropped when it goes and its last call
    /// has ended. Each type has one.
    ///
    /// When nobody calls, it is made anew each time.
    ///
    /// - Parameter make: makes the value; may be called more than once when calls run at once, and then one result counts.
    public func connectionState<State: Sendable>(_ make: () throws -> State) rethrows -> State {
        guard let caller = incoming?.caller else { return try make() }
        return try caller.state(make)
    }

    // MARK: The call

    /// How long the caller still waits; `nil` when for ever, or as long as calls wait by default.
    public var timeLeft: Duration? {
        scope.presentDeadline.map { .nanoseconds($0 > CallScope.now ? $0 - CallScope.now : 0) }
    }

    /// Whether the caller no longer wants the result. The task that runs the method is cancelled then as well.
    public var isCancelled: Bool { Task.isCancelled || incoming?.isCancelled ?? false }

    // MARK: Words to the caller

    /// Tells the caller how far the method has come. Never waits: when there is much to tell, the caller gets the latest.
    ///
    /// - Parameters:
    ///   - fraction: from 0 to 1.
    ///   - message: what is being done.
    public func report(_ fraction: Double, _ message: String = "") { reporter?.note(CallProgress(fraction: fraction, message: message)) }

    /// Tells the caller something that it may want to keep. Never waits: of more than a hundred messages that wait the oldest are dropped.
    ///
    /// - Parameters:
    ///   - message: the message.
    ///   - level: how much it matters.
    public func log(_ message: String, level: CallProgress.Level = .info) { reporter?.note(CallProgress(level: level, message: message)) }

    /// Asks the caller something in the middle of the call.
    ///
    /// - Parameters:
    ///   - prompt: the question, as the person there sees it.
    ///   - secret: whether the answer must not be shown.
    /// - Returns: the answer.
    /// - Throws: ``TelekinesisError``: `unsupported` when the caller answers no questions or nobody calls, and what its handler throws.
    public func ask(_ prompt: String, secret: Bool = false) async throws -> String {
        let question = CallQuestion(prompt: prompt, isSecret: secret)
        if let incoming { return try await incoming.ask(question) }
        guard let answer = scope.baggage?.value.observer?.answer else {
            throw TelekinesisError(.unsupported, "there is no call here whose caller could be asked “\(prompt)”")
        }
        return try await answer(question)
    }

    private var reporter: (any ProgressTaker)? { incoming.map { $0.reporter } ?? scope.baggage?.value.observer }
}

extension Caller {
    /// The value of a type that belongs to this caller.
    func state<State: Sendable>(_ make: () throws -> State) rethrows -> State {
        let key = ObjectIdentifier(State.self)
        if let known = states.withLock({ $0[key] }) as? State { return known }
        // A user's code: not under the lock.
        let new = try make()
        return states.withLock { states in
            if let known = states[key] as? State { return known }
            states[key] = new
            return new
        }
    }
}
