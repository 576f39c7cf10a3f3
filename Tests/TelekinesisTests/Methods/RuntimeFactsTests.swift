import Distributed
import Foundation
import MethodFixtures
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What the distributed runtime of this toolchain does when asked directly: the reasons for method tables. A test that fails here says that a newer toolchain
/// is different, not that this project is broken.
///
/// What may crash runs in a child process, which succeeds only if the runtime refused the call.
@Suite struct RuntimeFactsTests {
    @Test func theRuntimeRunsMethodsOfOtherTypes() async {
        await #expect(processExitsWith: .failure) {
            // A counter's memory read as if it were a vault's.
            let answers = await askRuntime(thunk("Vault", "secret()"), [])
            exit(answers.contains { $0.hasPrefix("return") } ? EXIT_FAILURE : EXIT_SUCCESS)
        }
    }

    @Test func theRuntimeRunsStubMethodsOnActorsThatDoNotConform() async {
        await #expect(processExitsWith: .failure) {
            // A caller through a stub records the stub's type.
            let answers = await askRuntime(thunk("GpuService", "render(_:)"), ["image"], substitutions: [$GpuService.self])
            exit(answers.contains { $0.hasPrefix("return") } ? EXIT_FAILURE : EXIT_SUCCESS)
        }
    }

    @Test func tablesHaveNeither() async throws {
        let table = try MethodTable.of(Counter.self)
        for name in ["secret()", "render(_:)", "render(_:)(String)"] {
            #expect(throws: TelekinesisError.self) { try table.method(Selector(wireName: name), signatureHash: 0) }
        }
        #expect(table.missing(from: $GpuService.self) == ["render(_: String) -> String"])
        #expect(table.covers($CounterService.self))
        #expect(table.covers(Counter.self))
        #expect(!table.covers(Lamp.self))
    }

    @Test func garbageIsRefusedOutsideOfTheHandler() async {
        #expect(await askRuntime("garbage", []) == ["outside invalidParameterCount"])
        #expect(await askRuntime("$s14MethodFixtures7CounterC9incrementTE", []) == ["outside invalidParameterCount"])
    }

    @Test func unknownNamesLookLikeErrorsOfTheMethod() async {
        let answers = await askRuntime("$s14MethodFixtures7CounterC7missingyyYaKFTE", [])
        #expect(answers.count == 1)
        #expect(answers.first?.hasPrefix("throw ExecuteDistributedTargetError") == true)
    }

    @Test func extraArgumentsAndSubstitutionsAreAccepted() async {
        #expect(await askRuntime(thunk("Counter", "increment(by:)"), [1, 2, "three"]) == ["return 1"])
        #expect(await askRuntime(thunk("Counter", "increment(by:)"), [1], substitutions: [Int.self, String.self]) == ["return 1"])
    }

    @Test func aHandlerThatCannotEncodeIsToldOfItsOwnError() async {
        let answers = await askRuntime(thunk("Counter", "increment(by:)"), [1], failsToEncode: true)
        #expect(answers.count == 2)
        #expect(answers.first == "return 1")
        #expect(answers.last?.hasPrefix("throw LoopbackError") == true)
    }

    @Test func actorsDecodeOnlyWithTheirSystem() throws {
        let system = LoopbackSystem()
        let data = try JSONEncoder().encode([Counter(on: system)])
        #expect(throws: (any Error).self) { try JSONDecoder().decode([Counter].self, from: data) }
        let decoder = JSONDecoder()
        decoder.userInfo[.actorSystemKey] = system
        #expect(try decoder.decode([Counter].self, from: data).count == 1)
    }

    @Test func namesThatAreNotMethodsLeaveNothingInMemory() async {
        await #expect(processExitsWith: .success) {
            func lookUp(_ round: String) {
                for number in 0..<50_000 {
                    _ = CallTargets.callTarget(for: RemoteCallTarget("$s14MethodFixtures7CounterC\(number)\(round)isNoMethodAtAllTE"))
                }
            }
            lookUp("warm")
            let before = residentPages()
            lookUp("a")
            lookUp("b")
            exit(residentPages() - before < 1024 ? EXIT_SUCCESS : EXIT_FAILURE)
        }
    }
}

/// The mangled name of a thunk in the fixtures.
private func thunk(_ type: String, _ wireName: String) -> String {
    AccessibleFunctions.all().first {
        guard let name = ThunkName(mangled: $0.mangledName) else { return false }
        return name.owner == "MethodFixtures." + type && name.wireName == wireName
    }?.name ?? "missing"
}

/// What the runtime answers when it is asked to run a target on a new counter.
private func askRuntime(
    _ identifier: String, _ arguments: [any Codable], substitutions: [any Any.Type] = [], failsToEncode: Bool = false
) async -> [String] {
    let system = LoopbackSystem()
    let log = LoopbackHandler.Log()
    var handler = LoopbackHandler(log: log)
    handler.failsToEncode = failsToEncode
    var decoder = LoopbackDecoder(arguments)
    decoder.substitutions = substitutions
    do {
        try await system.executeDistributedTarget(
            on: Counter(on: system), target: RemoteCallTarget(identifier), invocationDecoder: &decoder, handler: handler)
    } catch let error as ExecuteDistributedTargetError {
        return log.all + ["outside \(error.errorCode)"]
    } catch {
        return log.all + ["outside \(error)"]
    }
    return log.all
}

private func residentPages() -> Int {
    let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
    return fields.count > 1 ? Int(fields[1]) ?? 0 : 0
}
