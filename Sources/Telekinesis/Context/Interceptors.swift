internal import Distributed
internal import MessagePack
internal import Synchronization
public import TelekinesisProtocol

/// A call on its way through an interceptor.
public struct InterceptedCall: Sendable {
    /// The method, as one would write it: `increment(by:)`; `call` for a function, `init` for a class, `open` for a stream.
    public let method: String
    /// What is called: of outgoing calls a name, or a short hash of an object's key; of incoming ones the type.
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
        case incoming(MessagePackWriter, OutgoingReferences?)
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
    /// - Parameter interceptor: calls `next` and returns what that returns, or throws in place of the call.
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
        _ callee: Callee?, _ execute: @escaping @Sendable () async throws -> (MessagePackWriter, OutgoingReferences?)
    ) async throws -> (MessagePackWriter, OutgoingReferences?) {
        let flag = BegunFlag()
        let call = InterceptedCall(
            method: methodName(callee), target: callee?.typeName ?? "", principal: caller?.principal, caller: id.source,
            headers: metadata?.headers ?? [:])
        do {
            let result = try await owner.interceptors.run(call) { _ in
                flag.set()
                let (writer, references) = try await execute()
                return CallResult(value: .incoming(writer, references))
            }
            guard case .incoming(let writer, let references) = result.value else {
                throw TelekinesisError(.internalError, "an interceptor returned the result of another call", ran: .yes)
            }
            return (writer, references)
        } catch  where !flag.isSet {
            var error = TelekinesisError.thrown(error)
            error.ran = .no
            throw Refusal(error)
        }
    }

    private func methodName(_ callee: Callee?) -> String {
        switch callee?.kind {
        case .object(_, let table):
            return (try? table.method(Selector(rawValue: head.selector), signatureHash: head.signature))?.wireName
                ?? (head.selector == 0 ? "" : String(head.selector, radix: 16))
        case .function: return "call"
        case .factory: return "init"
        case .stream: return "open"
        case nil: return ""
        }
    }
}

private final class BegunFlag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}
