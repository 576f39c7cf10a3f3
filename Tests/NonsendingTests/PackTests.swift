import Testing

/// The rules by which parameter packs work with `async` in Swift 6.3. This target is built with `NonisolatedNonsendingByDefault`.
///
/// - Work on a pack is synchronous and gives a value without packs; only that is awaited. A pack-generic `async` function that forms a type from its pack,
///   or forwards the pack to another one, aborts with "freed pointer was not the last allocation".
/// - The type of a closure over a pack says `@concurrent`. Without it, a client's closure literal crashes the compiler where library and client both have this feature on.
/// - A pack is never passed as one tuple (`((repeat each A))`): that crashes the compiler too.
@Suite struct PackTests {
    @Test(arguments: [0, 1, 7])
    func functionsOfAnyCountOfArgumentsAreCalled(number: Int) async throws {
        let none = PackFunction<() -> Int> { number }
        let one = PackFunction<(Int) -> Int> { $0 + number }
        let three = PackFunction<(Int, String, [Double]) -> String> { a, b, c in
            await Task.yield()
            return "\(a)\(b)\(c)"
        }
        #expect(try await none() == number)
        #expect(try await one(1) == number + 1)
        #expect(try await three(number, "b", [1]) == "\(number)b[1.0]")
    }

    @Test func errorsOfTheClosureComeThrough() async {
        let failing = PackFunction<(Int) -> Int> { _ in throw PackError.expected }
        await #expect(throws: PackError.expected) { try await failing(1) }
    }

    @Test func argumentsOfAnotherTypeAreRefused() async {
        let one = PackFunction<(Int) -> Int> { $0 }
        await #expect(throws: PackError.unexpected) { try await one.body(["one"]) }
        await #expect(throws: PackError.unexpected) { try await one.body([]) }
    }

    @Test @MainActor func closuresMayBelongToAnActor() async throws {
        let state = MainState()
        let add = PackFunction<(Int) -> Int> { @MainActor amount in
            state.sum += amount
            return state.sum
        }
        #expect(try await add(2) == 2)
        #expect(try await add(3) == 5)
        #expect(state.sum == 5)
    }
}

@MainActor private final class MainState {
    var sum = 0
}

enum PackError: Error {
    case expected, unexpected
}

/// A function of any count of arguments, with its types erased.
struct PackFunction<Signature>: Sendable {
    let body: @Sendable ([any Sendable]) async throws -> any Sendable

    init<each Argument: Sendable, Result: Sendable>(
        _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Result
    ) where Signature == (repeat each Argument) -> Result {
        self.body = erase(body)
    }

    func callAsFunction<each Argument: Sendable, Result: Sendable>(_ argument: repeat each Argument) async throws -> Result
    where Signature == (repeat each Argument) -> Result {
        try await PreparedCall(body: body, arguments: collect(repeat each argument)).result()
    }
}

/// A call whose arguments are no pack any more.
private struct PreparedCall {
    let body: @Sendable ([any Sendable]) async throws -> any Sendable
    let arguments: [any Sendable]

    func result<Result>() async throws -> Result {
        guard let result = try await body(arguments) as? Result else { throw PackError.unexpected }
        return result
    }
}

private func collect<each Argument: Sendable>(_ argument: repeat each Argument) -> [any Sendable] {
    var arguments: [any Sendable] = []
    repeat arguments.append(each argument)
    return arguments
}

private func erase<each Argument: Sendable, Result: Sendable>(
    _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Result
) -> @Sendable ([any Sendable]) async throws -> any Sendable {
    { arguments in
        var decoder = ArgumentDecoder(arguments)
        let argument = (repeat try decoder.next((each Argument).self))
        try decoder.end()
        return try await body(repeat each argument)
    }
}

private struct ArgumentDecoder {
    private var rest: ArraySlice<any Sendable>

    init(_ arguments: [any Sendable]) { rest = arguments[...] }

    mutating func next<Argument>(_: Argument.Type) throws -> Argument {
        guard let argument = rest.popFirst() as? Argument else { throw PackError.unexpected }
        return argument
    }

    func end() throws {
        guard rest.isEmpty else { throw PackError.unexpected }
    }
}
