internal import MessagePack
internal import TelekinesisLink
internal import TelekinesisProtocol

/// A function that can be called wherever it is: of another program, or handed to one.
///
/// ```swift
/// let hello: RemoteFunction<(String) -> String> = try await node.function("demo/hello")
/// print(try await hello("Awesome"))
///
/// try await room.onMessage(RemoteFunction { (text: String) in print(text) })       // called back from there
/// ```
///
/// `Signature` is the function's type written without `async throws`, which every remote call is. As an argument or a result, alone or within other
/// values, a function stays where it is: what travels is a reference, and as long as somebody holds that, the function can be called.
public struct RemoteFunction<Signature>: Sendable, Codable {
    private let core: RemoteFunctionCore

    init(_ core: RemoteFunctionCore) { self.core = core }

    /// A function of this program, to be handed to others.
    ///
    /// - Parameter body: what a call does.
    public init<each Argument: Codable & Sendable, Output: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Output
    ) where Signature == (repeat each Argument) -> Output {
        core = .here(Export(.function(PublishedFunction.erase(body))))
    }

    /// A function without a result.
    ///
    /// - Parameter body: what a call does.
    public init<each Argument: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Void
    ) where Signature == (repeat each Argument) -> Void {
        core = .here(Export(.function(PublishedFunction.eraseVoid(body))))
    }

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

    /// Writes a reference to the function; one that was got by name travels as that name.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` outside of a call.
    public func encode(to encoder: any Encoder) throws {
        switch core {
        case .here(let export): try export.encode(to: encoder)
        case .back(let key, let callee): try IncomingReference.encode(.own(key, callee), to: encoder)
        case .there(let target, _): try ActorID(target).encode(to: encoder)
        }
    }

    /// Reads a reference to a function.
    public init(from decoder: any Decoder) throws {
        switch try IncomingReference(from: decoder) {
        case .remote(let target, let node): core = .there(target, node)
        case .name(let name, let node): core = .there(ActorTarget(.name(name.description), .route(node.session.boundRoute(name))), node)
        case .own(let key, let callee, _):
            guard case .function = callee.kind else {
                throw TelekinesisError(.badArguments, "a function is expected where the message hands over something else")
            }
            core = .back(key, callee)
        }
    }
}

/// The part of a remote function that knows no types.
enum RemoteFunctionCore: Sendable {
    /// Made here.
    case here(Export)
    /// Made here, handed out, and come back.
    case back(ActorKey, Callee)
    /// Somewhere else, or whatever serves a name.
    case there(ActorTarget, Node)

    /// Encodes the arguments. Synchronous, as all work with packs must be.
    func prepare<each Argument: Codable & Sendable>(_ argument: repeat each Argument) throws -> Prepared {
        let callee: Callee
        switch self {
        case .there(let target, let node):
            var encoder = CallEncoder(on: node)
            repeat try encoder.append(each argument)
            return .remote(encoder, target, node)
        case .here(let export): callee = export.callee
        case .back(_, let back): callee = back
        }
        var arguments: [any Sendable] = []
        repeat arguments.append(each argument)
        guard case .function(let function) = callee.kind else { throw TelekinesisError(.internalError, "this is no function") }
        return .local(try function.direct(arguments))
    }

    /// A call that is ready to be made.
    enum Prepared: Sendable {
        case remote(CallEncoder, ActorTarget, Node)
        case local(@Sendable () async throws -> any Sendable)

        func result<Output: Codable & Sendable>(_ type: Output.Type) async throws -> Output {
            switch self {
            case .remote(let encoder, let target, let node):
                let reply = try await Self.call(encoder, target, node)
                do {
                    return try reply.decode(type, on: node)
                } catch let needed as FetchNeeded {
                    return try await reply.decode(type, on: node, fetching: needed)
                }
            case .local(let call):
                guard let output = try await call() as? Output else {
                    throw TelekinesisError(.badResult, "the function has another result than \(type)", ran: .yes)
                }
                return output
            }
        }

        func end() async throws {
            switch self {
            case .remote(let encoder, let target, let node): try await Self.call(encoder, target, node).throwError()
            case .local(let call): _ = try await call()
            }
        }

        private static func call(_ encoder: CallEncoder, _ target: ActorTarget, _ node: Node) async throws -> Reply {
            var encoder = encoder
            let readsOnlyJSON = target.readsOnlyJSON
            if readsOnlyJSON { try await encoder.findPlacesAndWriteReferencesAsText() }
            if encoder.hasValues { encoder = try await encoder.stored(on: node) }
            if readsOnlyJSON { try encoder.writeAsJSON() }
            let references = encoder.references
            let frame = encoder.frame(selector: ObjectService.function, signature: 0)
            if let references, !references.placesAreKnown { try await references.findPlaces() }
            let flags: CallFlags = references == nil ? [] : .references
            do {
                guard node.session.interceptors.isEmpty || !target.isIntercepted else {
                    return try await node.session.intercepted(frame, "call", to: target, flags: flags, references: references)
                }
                let reply = try await node.session.call(frame, to: target, flags: flags, references: references)
                try target.explain(reply)
                return reply
            } catch var error as TelekinesisError where error.code == .deadlineExceeded {
                error.message = "\(ActorID(target)): \(error.message)"
                throw error
            }
        }
    }
}
