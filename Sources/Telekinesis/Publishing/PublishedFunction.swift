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
        PublishedFunction(description: describe((repeat each Argument).self, result: "\(Output.self)")) { decoder in
            let arguments = (repeat try decoder.decodeNextArgument() as each Argument)
            let result = try await body(repeat each arguments)
            return { try MessagePackEncoder().encode(result, into: &$0) }
        }
    }

    /// Erases a function without a result.
    static func eraseVoid<each Argument: Codable & Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Void
    ) -> PublishedFunction {
        PublishedFunction(description: describe((repeat each Argument).self, result: "Void")) { decoder in
            let arguments = (repeat try decoder.decodeNextArgument() as each Argument)
            try await body(repeat each arguments)
            return { $0.writeNil() }
        }
    }

    static func describe<each Argument>(_ types: (repeat each Argument).Type, name: String = "call", result: String) -> MethodDescription {
        var parameters: [String] = []
        repeat parameters.append("\((each Argument).self)")
        let labels = parameters.map { _ in "_" }
        return MethodDescription(
            name: "\(name)(\(labels.map { $0 + ":" }.joined()))", signature: "(\(parameters.joined(separator: ", "))) -> \(result)",
            labels: labels, parameterTypes: parameters, resultType: result, throws: true)
    }
}
