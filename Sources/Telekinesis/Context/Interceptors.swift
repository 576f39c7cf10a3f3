internal import Distributed
internal import MessagePack
internal import Synchronization
public import TelekinesisProtocol

/// A call on its way through an interceptor.
///
/// | | ``method`` | ``target``, outgoing | ``target``, incoming |
/// |---|---|---|---|
/// | a method of an object | `increment(by:)` | the name it was got by, or a short hash of its key | its type, `Shop.Counter` |
/// | a function | `call` | the same | the name it was published under first, or `(String) -> String` |
/// | the construction of an instance | `init` | the name of the class | the type of the instances |
/// | words, as `tk call` sends them | of outgoing calls as they were given, of incoming ones as above | the name | as above |
///
/// Incoming calls that name no method of what they call are refused before, so that what an interceptor sees comes from the program alone. Calls on
/// objects of the same node, the reading of streams, and the runtime's own words (progress, questions, what a name stands for) are not seen.
public struct InterceptedCall: Sendable {
    /// The method, as one would write it.
    public let method: String
    /// What is called.
    public let target: String
    /// As whom the hub has let the caller in; `nil` for calls that this node makes.
    public let principal: Principal?
    /// The node that calls; `nil` for calls that this node makes.
    public let caller: NodeID?
    /// What the caller puts beside the arguments. An interceptor of outgoing calls may change it; of incoming ones, changes have no effect.
    public var headers: [String: String]
}

/// What came of a call: an interceptor hands it back as it is.
public struct CallResult: Sendable {
    enum Value: Sendable {
        case outgoing(Reply)
        case incoming(ReplySink)
    }

    let value: Value

    /// Whether the call has failed. An outgoing call's failure may be an answer, which becomes an error only for the caller; what an incoming one throws,
    /// `next` throws.
    public var isFailure: Bool {
        if case .outgoing(let reply) = value { reply.flags.contains(.isError) } else { false }
    }
}

/// Sees a call before and after it is made.
public typealias CallInterceptor =
    @Sendable (
        _ call: InterceptedCall, _ next: @Sendable (InterceptedCall) async throws -> CallResult
    ) async throws -> CallResult

extension Node {
    /// Has a closure see every call that other nodes make here. Those added first are outermost.
    ///
    /// ```swift
    /// node.intercept(incoming: { call, next in
    ///     guard call.headers["tenant"] != nil else { throw TelekinesisError(.forbidden, "say which tenant you are") }
    ///     return try await next(call)
    /// })
    /// ```
    ///
    /// - Parameter interceptor: calls `next` once and returns what that returns, or throws to refuse.
    public func intercept(incoming interceptor: @escaping CallInterceptor) { session.incoming.interceptors.add(interceptor) }

    /// Has a closure see every call that this node makes. Those added first are outermost.
    ///
    /// What it throws in place of the construction of an instance, the calls of that instance throw, as ``TelekinesisError``.
    ///
    /// - Parameter interceptor: calls `next` and returns what that returns, or throws in place of the call. It may call `next` again when that has
    ///   failed, but not for `init`.
    public func intercept(outgoing interceptor: @escaping CallInterceptor) { session.interceptors.add(interceptor) }
}

/// Interceptors in the order in which they were added.
final class Interceptors: Sendable {
    private let all = Mutex<[CallInterceptor]>([])
    private let hasAny = Atomic<Bool>(false)

    /// Whether there are any: calls without them pay nothing more.
    var isEmpty: Bool { !hasAny.load(ordering: .relaxed) }

    func add(_ interceptor: @escaping CallInterceptor) {
        all.withLock { $0.append(interceptor) }
        hasAny.store(true, ordering: .relaxed)
    }

    /// Leads a call through all of them, and then to `last`.
    func run(
        _ call: InterceptedCall, _ last: @escaping @Sendable (InterceptedCall) async throws -> CallResult
    ) async throws -> CallResult {
        var next = last
        for interceptor in all.withLock({ $0 }).reversed() {
            let inner = next
            next = { call in try await interceptor(call, inner) }
        }
        return try await next(call)
    }
}

extension IncomingCall {
    /// Executes the call by way of the interceptors. What they throw before the method has begun says that it did not run.
    func intercepted(
        _ callee: Callee?, _ execute: @escaping @Sendable () async throws -> ReplySink
    ) async throws -> ReplySink {
        guard let callee, let method = methodName(callee) else { return try await execute() }
        let flag = BegunFlag()
        let caller = caller
        let call = InterceptedCall(
            method: method, target: (callee.isFactory ? nil : callee.publishedName) ?? callee.typeName, principal: caller?.principal,
            caller: id.source,
            headers: metadata?.headers ?? [:])
        do {
            let result = try await owner.interceptors.run(call) { _ in
                flag.set()
                return CallResult(value: .incoming(try await execute()))
            }
            guard case .incoming(let reply) = result.value else {
                throw TelekinesisError(.internalError, "an interceptor returned the result of another call", ran: .yes)
            }
            return reply
        } catch  where !flag.isSet {
            var error = TelekinesisError.thrown(error)
            error.ran = .no
            throw Refusal(error)
        }
    }

    /// `nil` when the call means nothing that can be called here, or one of the runtime's own functions.
    private func methodName(_ callee: Callee) -> String? {
        switch (action, callee.kind) {
        case (.call, .object(_, let table)), (.produce, .object(_, let table)):
            try? ArgumentBinding.method(head.selector, of: table, head: head, body: body, received, on: owner.node).method.wireName
        case (.call, .function(let function)), (.produce, .function(let function)): function.isIntercepted ? "call" : nil
        case (.create, .factory): "init"
        case (.call, .factory), (.call, .stream), (.produce, _), (.create, _): nil
        }
    }
}

extension NodeSession {
    /// Makes a call by way of the interceptors.
    ///
    /// - Parameter make: makes it, with what the interceptors have left of its headers.
    func intercepted(_ method: String, of target: ActorTarget, _ make: @escaping @Sendable () async throws -> Reply) async throws -> Reply {
        let headers = CallScope.current.baggage?.value.headers ?? [:]
        let call = InterceptedCall(method: method, target: "\(ActorID(target))", principal: nil, caller: nil, headers: headers)
        let result = try await interceptors.run(call) { call in
            // As they are now: a header may have been taken out as well.
            let scope = CallScope.current.with { $0.headers = call.headers }
            return CallResult(value: .outgoing(try await scope.run { try await make() }))
        }
        guard case .outgoing(let reply) = result.value else {
            throw TelekinesisError(.internalError, "an interceptor returned the result of another call", ran: .maybe)
        }
        return reply
    }

    /// The same for a call whose frame is there.
    func intercepted(
        _ frame: SplitBytes, _ method: String, to target: ActorTarget, flags: CallFlags = [], references: OutgoingReferences? = nil
    ) async throws -> Reply {
        try await intercepted(method, of: target) { [self] in
            try await call(frame, to: target, flags: flags, references: references)
        }
    }
}

private final class BegunFlag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}
