internal import Distributed
internal import Synchronization
internal import TelekinesisProtocol

/// What a call can be made on: an object of this node, a published function, or a class of which callers make instances.
final class Callee: Sendable {
    enum Kind: Sendable {
        case object(any DistributedActor, MethodTable)
        case function(PublishedFunction)
        case factory(PublishedClass)
        case stream(PublishedStream)
    }

    let kind: Kind
    /// Of a function or a class, the name that it was first published under.
    let publishedName: String?
    /// Whether callers make instances of it.
    let isFactory: Bool
    /// Calls that wait or run here.
    let inFlight = Atomic<Int>(0)
    /// Lets so many of them run at once; `nil` for any number.
    let gate: CallGate?

    /// - Parameter concurrency: how many calls may run at once, at least 1; `nil` for any number.
    init(_ kind: Kind, as publishedName: String? = nil, concurrency: Int? = nil) {
        self.kind = kind
        self.publishedName = publishedName
        gate = concurrency.map { CallGate(CallPlaces(limit: $0)) }
        isFactory = if case .factory = kind { true } else { false }
    }

    /// The type of what is called.
    var typeName: String {
        switch kind {
        case .object(_, let table): table.typeName
        case .function(let function): function.description.signature
        case .factory(let factory): factory.table.typeName
        case .stream: "stream"
        }
    }

    /// What it says about itself.
    var description: ServiceDescription {
        switch kind {
        case .object(_, let table):
            Self.describe(ServiceDescription(kind: .object, type: table.typeName, methods: table.descriptions))
        case .function(let function):
            Self.describe(ServiceDescription(kind: .function, type: function.description.signature, methods: [function.description]))
        case .factory(let factory):
            Self.describe(
                ServiceDescription(
                    kind: .class, type: factory.table.typeName, methods: factory.table.descriptions, initializer: factory.initializer))
        case .stream: ServiceDescription(kind: .object, type: "stream", methods: [])
        }
    }

    /// Adds the table of types, where any are described.
    private static func describe(_ service: ServiceDescription) -> ServiceDescription {
        let methods = service.methods + [service.initializer].compactMap(\.self)
        guard methods.contains(where: { $0.parameters != nil }) else { return service }
        var service = service
        service.types = TypeSurvey.definitions(for: methods.flatMap { ($0.parameters ?? []) + [$0.result].compactMap(\.self) })
        return service
    }
}

/// A class whose instances callers make: its factory, its types erased.
struct PublishedClass: Sendable {
    let table: MethodTable
    let initializer: MethodDescription
    /// Reads the arguments and makes an instance.
    let make: @Sendable (inout CallDecoder) async throws -> any DistributedActor

    /// Erases a factory. Synchronous, as all work with packs must be.
    static func erase<each Argument: Codable & Sendable, Object: DistributedActor>(
        _ factory: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Object
    ) throws -> PublishedClass {
        var parameters: [String] = []
        repeat parameters.append(String(describing: (each Argument).self))
        let description = PublishedFunction.describe(parameters, name: "init", result: String(describing: Object.self))
        let table = try MethodTable.of(Object.self)
        table.describeTypes()
        return PublishedClass(
            table: table, initializer: description.describing(.of(repeat (each Argument).self, result: Object.self))
        ) { decoder in
            let arguments = (repeat try decoder.nextArgument() as each Argument)
            return try await factory(repeat each arguments)
        }
    }
}
