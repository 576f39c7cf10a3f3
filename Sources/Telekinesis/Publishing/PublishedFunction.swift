internal import TelekinesisProtocol

/// A function that can be called from elsewhere, its types erased.
struct PublishedFunction: Sendable {
    /// Reads the arguments, calls, and yields what writes the result.
    typealias Body = @Sendable (inout CallDecoder) async throws -> ResultBody
    /// Writes a result.
    typealias ResultBody = @Sendable (inout ReplySink) throws -> Void

    /// Takes the arguments of a call that never leaves the process, and yields what makes it.
    typealias Direct = @Sendable ([any Sendable]) throws -> @Sendable () async throws -> any Sendable

    private(set) var description: MethodDescription
    let body: Body
    let direct: Direct
    /// Whether its result is something that stays where it is, see ``isHandedOver(_:)``.
    var handsOver = false
    /// Whether interceptors see its calls: not those that the runtime makes itself.
    var isIntercepted = true

    /// Erases a function with a result. Synchronous, as all work with packs must be.
    static func erase<each Argument: Codable & Sendable, Output: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Output
    ) -> PublishedFunction {
        var parameters: [String] = []
        repeat parameters.append(String(describing: (each Argument).self))
        return PublishedFunction(
            description: describe(parameters, result: "\(Output.self)"),
            body: { decoder in
                let arguments = (repeat try decoder.nextArgument() as each Argument)
                let result = try await body(repeat each arguments)
                return { try $0.write(result) }
            },
            direct: { given in
                var given = GivenValues(given)
                let arguments = (repeat try given.next() as each Argument)
                return { try await body(repeat each arguments) }
            },
            handsOver: isHandedOver(Output.self))
    }

    /// Erases a function without a result.
    static func eraseVoid<each Argument: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Void
    ) -> PublishedFunction {
        var parameters: [String] = []
        repeat parameters.append(String(describing: (each Argument).self))
        return PublishedFunction(
            description: describe(parameters, result: "Void"),
            body: { decoder in
                let arguments = (repeat try decoder.nextArgument() as each Argument)
                try await body(repeat each arguments)
                return { $0.writeVoid() }
            },
            direct: { given in
                var given = GivenValues(given)
                let arguments = (repeat try given.next() as each Argument)
                return { try await body(repeat each arguments) }
            })
    }

    /// Erases a function that is published: what its values look like is described, which runs their types' `init(from:)`, see ``TypeSurvey``.
    static func published<each Argument: Codable & Sendable, Output: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Output
    ) -> PublishedFunction {
        var function = erase(body)
        function.description = function.description.describing(.of(repeat (each Argument).self, result: Output.self))
        return function
    }

    /// Erases a function without a result that is published.
    static func publishedVoid<each Argument: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Void
    ) -> PublishedFunction {
        var function = eraseVoid(body)
        function.description = function.description.describing(.of(repeat (each Argument).self, result: Void.self))
        return function
    }

    /// Describes a function whose parameters have no labels.
    static func describe(_ parameters: [String], name: String = "call", result: String) -> MethodDescription {
        let labels = parameters.map { _ in "_" }
        return MethodDescription(
            name: "\(name)(\(labels.map { $0 + ":" }.joined()))", signature: "(\(parameters.joined(separator: ", "))) -> \(result)",
            labels: labels, parameterTypes: parameters, resultType: result, throws: true)
    }
}

extension MethodDescription {
    /// The same with what its values look like.
    func describing(_ types: SignatureTypes) -> MethodDescription { TypeSurvey.run { describing(types, in: $0) } }

    func describing(_ types: SignatureTypes, in survey: TypeSurvey) -> MethodDescription {
        var description = self
        description.parameters = types.parameters.map(survey.describe)
        description.result = survey.describe(types.result)
        return description
    }
}

/// The arguments of a call within the process, taken one after the other.
private struct GivenValues {
    private var values: ArraySlice<any Sendable>

    init(_ values: [any Sendable]) { self.values = values[...] }

    mutating func next<Value>() throws -> Value {
        guard let value = values.popFirst() as? Value else {
            throw TelekinesisError(.badArguments, "an argument of the function is not of type \(Value.self)")
        }
        return value
    }
}
