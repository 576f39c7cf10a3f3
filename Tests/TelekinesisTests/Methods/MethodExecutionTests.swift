import Distributed
import MethodFixtures
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Serialized, because living values are counted.
@Suite(.serialized) struct MethodExecutionTests {
    let provider = LoopbackSystem()
    let counter: Counter
    let table: MethodTable

    init() throws {
        counter = Counter(on: provider)
        table = try MethodTable.of(Counter.self)
    }

    @Test func aCallThroughAProxyRunsTheMethodAndReturnsItsResult() async throws {
        let proxy = try Counter.resolve(id: counter.id, using: LoopbackSystem(provider: provider))
        #expect(try await proxy.increment(by: 3) == 3)
        #expect(try await proxy.increment(by: 4) == 7)
        #expect(try await value(of: proxy) == 7)
        #expect(try await proxy.describe("a", twice: true) == "aa")
        #expect(try await proxy.big() == Big())
        #expect(try await proxy.join(1, b: "2", [3], d: ["4": nil], e: 5) == ["1", "2", "[3.0]", "1", "5"])
        #expect(try await proxy.add(1) == 2)
        #expect(try await proxy.add("four") == 4)
        #expect(try await proxy.slow() == "done")
        try await proxy.reset()
        #expect(try await value(of: counter) == 0)
    }

    @Test func aCallThroughAStubRunsTheConcreteMethod() async throws {
        let stub = try $CounterService.resolve(id: counter.id, using: LoopbackSystem(provider: provider))
        #expect(try await stub.increment(by: 3) == 3)
        #expect(try await stub.describe("a", twice: false) == "a")
        #expect(try await stub.add(1) == 2)
        try await stub.reset()
        await #expect(throws: CounterError.exhausted) { try await stub.fail() }
    }

    @Test func actorsAndStubsAreArgumentsAndResults() async throws {
        let caller = LoopbackSystem(provider: provider)
        let proxy = try Counter.resolve(id: counter.id, using: caller)
        #expect(try await proxy.other(proxy) == proxy)
        let stub = try $CounterService.resolve(id: counter.id, using: caller)
        #expect(try await proxy.service(stub) == stub)
    }

    @Test func whatAMethodThrowsComesOutAsItIs() async throws {
        await #expect(throws: CounterError.exhausted) { try await run("fail()", []) }
        await #expect(throws: CounterError.exhausted) { try await run("failAfterArgument(_:)", [Tracked()]) }
    }

    @Test func aCancelledMethodThrowsItsOwnError() async throws {
        let task = Task<Void, any Error> {
            withUnsafeCurrentTask { $0?.cancel() }
            try await run("slow()", [])
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test(arguments: [[], [1, 2], [1, 2, 3]])
    func anotherCountOfArgumentsIsRefused(arguments: [Int]) async throws {
        let error = await #expect(throws: TelekinesisError.self) { try await run("increment(by:)", arguments) }
        #expect(error?.code == .badArguments)
        #expect(error?.ran == .no)
        #expect(error?.message == "increment(by: Int) -> Int takes one argument; the call has \(arguments.count)")
        #expect(try await value(of: counter) == 0)
    }

    @Test func anArgumentOfAnotherTypeIsRefusedByItsLabel() async throws {
        let error = await #expect(throws: TelekinesisError.self) { try await run("increment(by:)", ["five"]) }
        #expect(error?.code == .badArguments)
        #expect(error?.cause is LoopbackError)
        #expect(error?.message.hasPrefix("argument “by” of increment(by: Int) -> Int is not of type Int: ") == true)
    }

    @Test func aMethodOfAnotherTypeIsRefused() async throws {
        let toggle = try MethodTable.of(Lamp.self).method(Selector(wireName: "toggle()"), signatureHash: 0)
        await expectRefusal(.internalError, of: toggle, on: counter)
    }

    @Test func aMethodOfAProxyIsRefused() async throws {
        let proxy = try Counter.resolve(id: counter.id, using: LoopbackSystem(provider: provider))
        await expectRefusal(.internalError, of: try table.method(Selector(wireName: "reset()"), signatureHash: 0), on: proxy)
    }

    @Test func aGenericMethodIsRefused() async throws {
        await expectRefusal(.unsupported, of: try table.method(Selector(wireName: "generic(_:)"), signatureHash: 0), on: counter)
        let box = GenericBox<Int>(actorSystem: provider)
        await expectRefusal(.unsupported, of: try MethodTable.of(GenericBox<Int>.self).methods[0], on: box)
    }

    @Test func aDecoderOfAnotherSystemIsRefused() async throws {
        let method = try table.method(Selector(wireName: "reset()"), signatureHash: 0)
        var arguments = ForeignDecoder()
        await #expect(throws: MethodFailure.self) { _ = try await method.execute(on: counter, arguments: &arguments) }
    }

    @Test func aResultThatCannotBeEncodedFailsOnceAndIsDestroyed() async throws {
        let before = Tracked.count
        do {
            let method = try table.method(Selector(wireName: "echo(_:)"), signatureHash: 0)
            var arguments = LoopbackDecoder([Tracked()])
            let result = try await method.execute(on: counter, arguments: &arguments)
            var sink = LoopbackSink()
            sink.fails = true
            #expect(throws: LoopbackError.self) { try result.write(into: &sink) }
            #expect(Tracked.count == before + 1)
        }
        #expect(Tracked.count == before)
    }

    @Test func nothingOfACallStaysBehind() async throws {
        let before = Tracked.count
        for _ in 0..<10 {
            _ = try await run("echo(_:)", [Tracked()])
            _ = try? await run("failAfterArgument(_:)", [Tracked()])
            _ = try? await run("echo(_:)", [1])
            _ = try await run("pair(_:_:)", [Tracked(), 1])
        }
        #expect(Tracked.count == before)
    }

    @Test func argumentsThatWereDecodedBeforeABadOneAreDestroyed() async throws {
        let before = Tracked.count
        for _ in 0..<10 { _ = try? await run("pair(_:_:)", [Tracked(), "two"]) }
        #expect(Tracked.count == before)
    }

    @Test func manyCallsAtOnceKeepTheirOwnResults() async throws {
        let results = try await withThrowingTaskGroup(of: (String, String?).self) { group in
            for number in 0..<500 {
                group.addTask {
                    let text = "text number \(number) that is not small"
                    return (text, try await run("describe(_:twice:)", [text, false]) as? String)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.count == 500)
        #expect(results.allSatisfy { $0 == $1 })
    }

    /// Runs a method as a provider does.
    @discardableResult
    private func run(_ name: String, _ arguments: [any Codable]) async throws -> (any Codable)? {
        let method = try table.method(Selector(wireName: name), signatureHash: 0)
        var arguments = LoopbackDecoder(arguments)
        do {
            let result = try await method.execute(on: counter, arguments: &arguments)
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

    private func expectRefusal(_ code: TelekinesisError.Code, of method: Method, on actor: any DistributedActor) async {
        var arguments = LoopbackDecoder([])
        do {
            _ = try await method.execute(on: actor, arguments: &arguments)
            Issue.record("\(method.signature) was executed")
        } catch {
            guard case .refused(let refusal) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(refusal.code == code)
            #expect(refusal.ran == .no)
        }
    }
}

private struct ForeignDecoder: InvocationArguments {
    typealias SerializationRequirement = Codable
    var argumentCount: Int { 0 }
    var decodedCount: Int { 0 }
    mutating func decodeGenericSubstitutions() throws -> [any Any.Type] { [] }
    mutating func decodeNextArgument<Argument: Codable>() throws -> Argument { throw LoopbackError(message: "not this one") }
    mutating func decodeErrorType() throws -> (any Any.Type)? { nil }
    mutating func decodeReturnType() throws -> (any Any.Type)? { nil }
}
