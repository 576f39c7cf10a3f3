package import Distributed
import Synchronization
import Telekinesis
import TelekinesisProtocol

/// A distributed actor system without a network: a caller's calls run on the provider's actors through method tables.
package final class LoopbackSystem: DistributedActorSystem {
    package typealias ActorID = LoopbackID
    package typealias InvocationEncoder = LoopbackEncoder
    package typealias InvocationDecoder = LoopbackDecoder
    package typealias ResultHandler = LoopbackHandler
    package typealias SerializationRequirement = Codable

    private let provider: LoopbackSystem?
    private struct Entry {
        weak var actor: (any DistributedActor)?
    }

    private let actors = Mutex<[Int: Entry]>([:])
    private let nextKey = Mutex(0)

    /// A system whose proxies call the actors of `provider`; without one, a provider.
    package init(provider: LoopbackSystem? = nil) { self.provider = provider }

    package func resolve<Act: DistributedActor>(id: LoopbackID, as type: Act.Type) throws -> Act? where Act.ID == LoopbackID {
        actors.withLock { $0[id.key]?.actor } as? Act
    }

    package func assignID<Act: DistributedActor>(_ type: Act.Type) -> LoopbackID where Act.ID == LoopbackID {
        LoopbackID(
            key: nextKey.withLock {
                $0 += 1
                return $0
            })
    }

    package func actorReady<Act: DistributedActor>(_ actor: Act) where Act.ID == LoopbackID {
        actors.withLock { $0[actor.id.key] = Entry(actor: actor) }
    }

    package func resignID(_ id: LoopbackID) {}

    package func makeInvocationEncoder() -> LoopbackEncoder { LoopbackEncoder() }

    package func remoteCall<Act: DistributedActor, Failure: Error, Result: Codable>(
        on actor: Act, target: RemoteCallTarget, invocation: inout LoopbackEncoder, throwing: Failure.Type, returning: Result.Type
    ) async throws -> Result where Act.ID == LoopbackID {
        let value = try await call(actor.id, target, invocation)
        guard let result = value as? Result else { throw LoopbackError(message: "a result of type \(Result.self) was expected") }
        return result
    }

    package func remoteCallVoid<Act: DistributedActor, Failure: Error>(
        on actor: Act, target: RemoteCallTarget, invocation: inout LoopbackEncoder, throwing: Failure.Type
    ) async throws where Act.ID == LoopbackID {
        _ = try await call(actor.id, target, invocation)
    }

    private func call(_ id: LoopbackID, _ target: RemoteCallTarget, _ invocation: LoopbackEncoder) async throws -> (any Codable)? {
        guard let name = CallTargets.callTarget(for: target), let object = provider?.actors.withLock({ $0[id.key]?.actor }) else {
            throw LoopbackError(message: "nothing to call")
        }
        let method = try MethodTable.of(type(of: object)).method(name.selector, signatureHash: name.signatureHash)
        var arguments = LoopbackDecoder(invocation.arguments)
        do {
            let result = try await method.execute(on: object, arguments: &arguments)
            var sink = LoopbackSink()
            try result.write(into: &sink)
            return sink.value
        } catch let failure as MethodFailure {
            switch failure {
            case .refused(let error): throw error
            case .thrown(let error): throw error
            }
        }
    }
}

/// An error of the loopback system.
package struct LoopbackError: Error {
    package init(message: String) { self.message = message }

    package var message: String
}

/// An id that may carry a lease, which is no part of its value.
package struct LoopbackID: Hashable, Codable, Sendable {
    package var key: Int
    package var lease: Lease?

    package init(key: Int, lease: Lease? = nil) {
        self.key = key
        self.lease = lease
    }

    package init(from decoder: any Decoder) throws { key = try decoder.singleValueContainer().decode(Int.self) }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(key)
    }

    package static func == (left: LoopbackID, right: LoopbackID) -> Bool { left.key == right.key }

    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}

/// Tells when the last copy of an id is gone.
package final class Lease: Sendable {
    private let ended: @Sendable () -> Void

    package init(ended: @escaping @Sendable () -> Void) { self.ended = ended }

    deinit { ended() }
}

/// Keeps the arguments as values.
package struct LoopbackEncoder: DistributedTargetInvocationEncoder {
    package typealias SerializationRequirement = Codable
    package var arguments: [any Codable] = []

    package mutating func recordGenericSubstitution<T>(_ type: T.Type) throws {}
    package mutating func recordArgument<Value: Codable>(_ argument: RemoteCallArgument<Value>) throws { arguments.append(argument.value) }
    package mutating func recordErrorType<Failure: Error>(_ type: Failure.Type) throws {}
    package mutating func recordReturnType<Result: Codable>(_ type: Result.Type) throws {}
    package mutating func doneRecording() throws {}
}

/// Hands out the arguments, and what else a hostile peer could put into a call.
package struct LoopbackDecoder: InvocationArguments, @unchecked Sendable {  // One task at a time has it: it travels with its call.
    package typealias SerializationRequirement = Codable
    /// Encoded nowhere: one call at a time has them.
    nonisolated(unsafe) private let arguments: [any Codable]
    package var substitutions: [any Any.Type] = []
    package private(set) var decodedCount = 0
    package var argumentCount: Int { arguments.count }

    package init(_ arguments: [any Codable]) { self.arguments = arguments }

    package mutating func decodeGenericSubstitutions() throws -> [any Any.Type] { substitutions }

    package mutating func decodeNextArgument<Argument: Codable>() throws -> Argument {
        guard decodedCount < arguments.count, let argument = arguments[decodedCount] as? Argument else {
            throw LoopbackError(message: "argument \(decodedCount) is not \(Argument.self)")
        }
        decodedCount += 1
        return argument
    }

    package mutating func decodeErrorType() throws -> (any Any.Type)? { nil }
    package mutating func decodeReturnType() throws -> (any Any.Type)? { nil }
}

/// Counts what the runtime reports.
package struct LoopbackHandler: DistributedTargetInvocationResultHandler {
    package typealias SerializationRequirement = Codable

    package final class Log: Sendable {
        private let entries = Mutex<[String]>([])
        package init() {}
        package var all: [String] { entries.withLock { $0 } }
        func note(_ text: String) { entries.withLock { $0.append(text) } }
    }

    package let log: Log?
    package var failsToEncode = false

    package init(log: Log? = nil) { self.log = log }

    package func onReturn<Success: Codable>(value: Success) async throws {
        log?.note("return \(value)")
        if failsToEncode { throw LoopbackError(message: "not encodable") }
    }

    package func onReturnVoid() async throws { log?.note("return") }
    package func onThrow<Failure: Error>(error: Failure) async throws { log?.note("throw \(error)") }
}

/// Keeps a result as a value.
package struct LoopbackSink: ResultSink {
    package var value: (any Codable)?
    package var isVoid = false
    package var fails = false

    package init() {}

    package mutating func write<Result: Codable>(_ result: Result) throws {
        guard !fails else { throw LoopbackError(message: "not encodable") }
        value = result
    }

    package mutating func writeVoid() throws { isVoid = true }
}
