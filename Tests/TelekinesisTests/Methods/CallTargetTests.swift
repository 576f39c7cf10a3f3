import Distributed
import MethodFixtures
import Synchronization
import TelekinesisProtocol
import Testing

@testable import Telekinesis

@Suite struct CallTargetTests {
    @Test func concreteTypeAndStubGiveTheSameName() throws {
        let concrete = try #require(target("$s14MethodFixtures7CounterC9increment2byS2i_tYaKFTE"))
        let stub = try #require(target("$s14MethodFixtures15$CounterServiceC9increment2byS2i_tYaKFTE"))
        #expect(concrete.wireName == "increment(by:)")
        #expect(concrete.selector == stub.selector)
        #expect(concrete.signatureHash == stub.signatureHash)
        #expect(concrete !== stub)
    }

    @Test func typesAreAppendedWhereTheCalledTypeHasOverloads() throws {
        let concrete = try #require(target("$s14MethodFixtures7CounterC3addyS2iYaKFTE"))
        let stub = try #require(target("$s14MethodFixtures15$CounterServiceC3addyS2iYaKFTE"))
        #expect(concrete.wireName == "add(_:)(Int)")
        #expect(stub.wireName == "add(_:)")
        let table = try MethodTable.of(Counter.self)
        let method = try table.method(concrete.selector, signatureHash: concrete.signatureHash)
        #expect(try table.method(stub.selector, signatureHash: stub.signatureHash) === method)
    }

    @Test func aTargetIsLookedUpOnce() throws {
        let name = "$s14MethodFixtures7CounterC5resetyyYaKFTE"
        let first = try #require(target(name))
        // Equal bytes at the same address.
        #expect(RemoteCallTarget(name).identifier == name)
        #expect(target(name) === first)
    }

    @Test func memoryThatHoldsAnotherNameByNowIsNotTakenForTheFirst() throws {
        let names = ["$s14MethodFixtures7CounterC5resetyyYaKFTE", "$s14MethodFixtures7CounterC5valueSiyYaKFTE"]
        var memory = Array(names[0].utf8)
        #expect(memory.withUnsafeBufferPointer { CallTargets.find($0)?.wireName } == "reset()")
        memory.replaceSubrange(0..., with: Array(names[1].utf8))
        #expect(memory.withUnsafeBufferPointer { CallTargets.find($0)?.wireName } == "value()")
    }

    @Test func namesOfOtherThingsHaveNoTarget() {
        #expect(target("hello") == nil)
        #expect(target("") == nil)
        #expect(target("$s14MethodFixtures7CounterCTE") == nil)
    }

    @Test func madeUpNamesDoNotFillTheTable() async throws {
        // More names than places, from several threads: every one gets its own answer.
        let wrong = await withTaskGroup(of: Int.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    (0..<3000).count { number in
                        let method = "m\(worker)x\(number)"
                        return self.target("$s4Shop7CounterC\(method.utf8.count)\(method)yyYaKFTE")?.wireName != method + "()"
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
        #expect(target("$s14MethodFixtures7CounterC5resetyyYaKFTE")?.wireName == "reset()")
    }

    private func target(_ identifier: String) -> CallTarget? { CallTargets.callTarget(for: RemoteCallTarget(identifier)) }
}
