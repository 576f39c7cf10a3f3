internal import MessagePack
internal import TelekinesisLink
internal import TelekinesisProtocol

/// A function of another program.
///
/// ```swift
/// let hello: RemoteFunction<(String) -> String> = try await node.function("demo/hello")
/// print(try await hello("Awesome"))
/// ```
///
/// `Signature` is the function's type written without `async throws`, which every remote call is.
public struct RemoteFunction<Signature>: Sendable {
    private let core: RemoteFunctionCore

    init(_ core: RemoteFunctionCore) { self.core = core }

    /// Calls the function.
    ///
    /// - Throws: what the function throws, or ``TelekinesisError``.
    public func callAsFunction<each Argument: Codable & Sendable, Output: Codable & Sendable>(
        _ argument: repeat each Argument
    ) async throws -> Output where Signature == (repeat each Argument) -> Output {
        try await core.prepare(repeat each argument).result(Output.self)
    }

    /// Calls a function without a result.
    public func callAsFunction<each Argument: Codable & Sendable>(
        _ argument: repeat each Argument
    ) async throws where Signature == (repeat each Argument) -> Void {
        try await core.prepare(repeat each argument).end()
    }
}

/// The part of a remote function that knows no types.
final class RemoteFunctionCore: Sendable {
    private let target: ActorTarget
    private let node: Node

    init(target: ActorTarget, node: Node) {
        self.target = target
        self.node = node
    }

    /// Encodes the arguments. Synchronous, as all work with packs must be.
    func prepare<each Argument: Codable & Sendable>(_ argument: repeat each Argument) throws -> Prepared {
        var encoder = CallEncoder()
        repeat try encoder.append(each argument)
        return Prepared(frame: encoder.frame(selector: ObjectService.function, signature: 0), core: self)
    }

    /// A call that is ready to be made.
    struct Prepared: Sendable {
        let frame: [UInt8]
        let core: RemoteFunctionCore

        func result<Output: Codable & Sendable>(_ type: Output.Type) async throws -> Output {
            try await core.node.session.call(frame, to: core.target).decode(type, decoder: core.node.decoder)
        }

        func end() async throws {
            try await core.node.session.call(frame, to: core.target).throwError(decoder: core.node.decoder)
        }
    }
}
