internal import MessagePack
internal import TelekinesisProtocol

/// A function that can be called from elsewhere, its types erased.
struct PublishedFunction: Sendable {
    /// Reads the arguments, calls, and yields what writes the result.
    typealias Body = @Sendable (inout CallDecoder) async throws -> ResultBody
    /// Writes a result.
    typealias ResultBody = @Sendable (inout MessagePackWriter) throws -> Void

    let description: MethodDescription
    let body: Body

    /// Erases a function with a result. Synchronous, as all work with packs must be.
    static func erase<each Argument: Codable & Sendable, Output: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Output
    ) -> PublishedFunction {
        var parameters: [String] = []
        repeat parameters.append(String(describing: (each Argument).self))
        return PublishedFunction(description: describe(parameters, result: "\(Output.self)")) { decoder in
            let arguments = (repeat try decoder.nextArgument() as each Argument)
            let result = try await body(repeat each arguments)
            return { try MessagePackEncoder().encode(result, into: &$0) }
        }
    }

    /// Erases a function without a result.
    static func eraseVoid<each Argument: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Void
    ) -> PublishedFunction {
        var parameters: [String] = []
        repeat parameters.append(String(describing: (each Argument).self))
        return PublishedFunction(description: describe(parameters, result: "Void")) { decoder in
            let arguments = (repeat try decoder.nextArgument() as each Argument)
            try await body(repeat each arguments)
            return { $0.writeNil() }
        }
    }

    /// Describes a function whose parameters have no labels.
    static func describe(_ parameters: [String], name: String = "call", result: String) -> MethodDescription {
        let labels = parameters.map { _ in "_" }
        return MethodDescription(
            name: "\(name)(\(labels.map { $0 + ":" }.joined()))", signature: "(\(parameters.joined(separator: ", "))) -> \(result)",
            labels: labels, parameterTypes: parameters, resultType: result, throws: true)
    }
}
