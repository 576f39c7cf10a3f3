internal import Reactor
internal import Synchronization
internal import TelekinesisProtocol

/// How far a method has come, or a message of it.
public struct CallProgress: Sendable, Codable, Equatable {
    /// How much a message matters.
    public enum Level: String, Sendable, Codable { case debug, info, warning, error }

    /// From 0 to 1; `nil` for a message.
    public var fraction: Double?
    /// Of a message, how much it matters; `nil` for progress.
    public var level: Level?
    /// What is being done, or the message.
    public var message: String

    init(fraction: Double? = nil, level: Level? = nil, message: String) {
        self.fraction = fraction
        self.level = level
        self.message = message
    }
}

/// What a method asks its caller in the middle of a call.
public struct CallQuestion: Sendable, Codable {
    /// The question, for a person.
    public var prompt: String
    /// Whether the answer must not be shown.
    public var isSecret: Bool

    static let nobodyAnswers = TelekinesisError(
        .unsupported, "the method asks something, and its caller answers no questions: call it within withAnswers", ran: .yes)
}

/// Takes what a method tells.
protocol ProgressTaker: Sendable {
    func note(_ progress: CallProgress)
}

/// The caller's end: hears of the progress of calls, answers their questions.
final class CallObserver: ProgressTaker, Sendable {
    typealias Observe = @isolated(any) @Sendable (CallProgress) -> Void
    typealias Answer = @Sendable (CallQuestion) async throws -> String

    let observe: Observe?
    let answer: Answer?
    private let report: Export?
    private let ask: Export?
    /// Of methods of this very process.
    private let reporter: CallReporter?
    /// The nodes by way of which it has been made known.
    private let homes = Mutex<[ObjectIdentifier: NodeHome]>([:])

    init(observe: Observe?, answer: Answer?) {
        self.observe = observe
        self.answer = answer
        report = observe.map { observe in
            Self.export(.eraseVoid { (reports: [CallProgress]) in await Self.tell(reports, to: observe) })
        }
        reporter = observe.map { observe in
            CallReporter(on: nil) { reports in await CallScope().run { await Self.tell(reports, to: observe) } }
        }
        ask = answer.map { answer in Self.export(.erase { (question: CallQuestion) in try await answer(question) }) }
    }

    private static func tell(_ reports: [CallProgress], to observe: Observe) async {
        for report in reports { await observe(report) }
    }

    private static func export(_ function: PublishedFunction) -> Export {
        var function = function
        function.isIntercepted = false
        return Export(.function(function))
    }

    /// Keys under which other nodes reach it by way of a node of this process, as long as the scope lasts.
    func keys(on home: NodeHome) -> (report: ActorKey?, ask: ActorKey?) {
        let isNew = homes.withLock { $0.updateValue(home, forKey: ObjectIdentifier(home)) == nil }
        if isNew { for export in [report, ask] { if let export { home.registry.pin(export.callee, as: export.key) } } }
        return (report?.key, ask?.key)
    }

    /// The scope has ended: nobody reaches it any more, once everything has been heard.
    func end() async {
        await reporter?.finish()
        let homes = homes.withLock { homes in
            defer { homes = [:] }
            return homes.values
        }
        for home in homes { for export in [report, ask] { if let export { home.registry.unpin(export.key) } } }
    }

    /// A method of this very process tells something.
    func note(_ progress: CallProgress) { reporter?.note(progress) }
}

/// The method's end: sends what it tells, the latest when there is much. One message is under way at a time, which is all the coalescing there is.
final class CallReporter: ProgressTaker, Sendable {
    private struct State {
        var progress: CallProgress?
        var messages: ArraySlice<CallProgress> = []
        var dropped = 0
        var isSending = false
        var waiters: [CheckedContinuation<Void, Never>] = []

        var isEmpty: Bool { progress == nil && messages.isEmpty }
    }

    private static let maximumMessages = 100

    private let send: (@Sendable ([CallProgress]) async throws -> Void)?
    private let loop: EventLoop?
    private let state = Mutex(State())

    /// - Parameters:
    ///   - loop: where reports are sent; `nil`: anywhere.
    ///   - send: brings them to whoever listens; what it throws means that there is nobody. `nil` when nobody ever listens.
    init(on loop: EventLoop?, _ send: (@Sendable ([CallProgress]) async throws -> Void)?) {
        self.loop = loop
        self.send = send
    }

    func note(_ progress: CallProgress) {
        guard let send else { return }
        let starts = state.withLock { state in
            if progress.level == nil {
                state.progress = progress
            } else {
                state.messages.append(progress)
                if state.messages.count > Self.maximumMessages {
                    state.messages.removeFirst()
                    state.dropped += 1
                }
            }
            defer { state.isSending = true }
            return !state.isSending
        }
        // Owned by the call or the scope, which do not end before it: see ``finish()``.
        if starts { Task(executorPreference: loop) { await self.sendAll(send) } }
    }

    private func sendAll(_ send: @Sendable ([CallProgress]) async throws -> Void) async {
        while let reports = take() {
            do {
                try await send(reports)
            } catch {
                state.withLock { state in
                    state.messages = []
                    state.progress = nil
                }
            }
        }
    }

    private func take() -> [CallProgress]? {
        let (reports, waiters) = state.withLock { state -> ([CallProgress]?, [CheckedContinuation<Void, Never>]) in
            guard !state.isEmpty else {
                defer { (state.isSending, state.waiters) = (false, []) }
                return (nil, state.waiters)
            }
            var reports = Array(state.messages)
            if state.dropped > 0 {
                reports.insert(CallProgress(level: .warning, message: "\(state.dropped) messages were dropped"), at: 0)
            }
            if let progress = state.progress { reports.append(progress) }
            (state.progress, state.messages, state.dropped) = (nil, [], 0)
            return (reports, [])
        }
        for waiter in waiters { waiter.resume() }
        return reports
    }

    /// Waits until the caller has heard everything: before the result, which would come too early otherwise.
    func finish() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.isSending { state.waiters.append(continuation) }
                return !state.isSending
            }
            if isDone { continuation.resume() }
        }
    }
}

/// Runs an operation and hears how far its remote calls have come, and what they say.
///
/// ```swift
/// let small = try await withProgress { try await images.resize(large) } observing: { print($0.fraction ?? 0, $0.message) }
/// ```
///
/// When this returns, `observe` has been called for everything that the methods told, those of this process included. Methods that those call in turn
/// are not heard.
///
/// - Parameters:
///   - operation: makes the calls; runs where the caller runs.
///   - observe: called for each report, one after the other for each call, and for all calls within this process; the latest when there are many. May
///     belong to an actor.
public nonisolated(nonsending) func withProgress<Result>(
    _ operation: nonisolated(nonsending) () async throws -> Result,
    observing observe: @escaping @isolated(any) @Sendable (CallProgress) -> Void
) async rethrows -> Result {
    let outer = CallScope.current.baggage?.value.observer
    return try await withObserver(CallObserver(observe: observe, answer: outer?.answer), operation)
}

/// Runs an operation and answers what its remote calls ask in the middle, such as for a password.
///
/// - Parameters:
///   - operation: makes the calls; runs where the caller runs.
///   - answer: gives the answer; what it throws, the method's `ask` throws.
public nonisolated(nonsending) func withAnswers<Result>(
    _ operation: nonisolated(nonsending) () async throws -> Result, to answer: @escaping @Sendable (CallQuestion) async throws -> String
) async rethrows -> Result {
    let outer = CallScope.current.baggage?.value.observer
    return try await withObserver(CallObserver(observe: outer?.observe, answer: answer), operation)
}

private nonisolated(nonsending) func withObserver<Result>(
    _ observer: CallObserver, _ operation: nonisolated(nonsending) () async throws -> Result
) async rethrows -> Result {
    let result: Result
    do {
        result = try await CallScope.current.with { $0.observer = observer }.run(operation)
    } catch {
        await observer.end()
        throw error
    }
    await observer.end()
    return result
}

extension IncomingCall {
    /// Asks the caller something.
    func ask(_ question: CallQuestion) async throws -> String {
        guard let key = metadata?.ask?.key, let node = owner.node.node else { throw CallQuestion.nobodyAnswers }
        let ask = RemoteFunction<(CallQuestion) -> String>(.there(observer(key), node))
        return try await ask(question)
    }

    /// A function of the caller that the runtime calls.
    private func observer(_ key: ActorKey) -> ActorTarget { ActorTarget(.object(key), .remote, node: id.source, isIntercepted: false) }

    /// What the method tells goes there.
    var reporter: CallReporter {
        reporter {
            guard let key = metadata?.report?.key, let node = owner.node.node else { return CallReporter(on: owner.loop, nil) }
            let observe = RemoteFunction<([CallProgress]) -> Void>(.there(observer(key), node))
            return CallReporter(on: owner.loop) { reports in
                // Of no use when it comes late; and the call itself goes on.
                try await CallScope().run { try await withDeadline(.seconds(10)) { try await observe(reports) } }
            }
        }
    }
}
