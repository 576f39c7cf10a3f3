import Distributed
import MethodFixtures
import Synchronization
import Testing

/// That the end of the last proxy can be seen: an id takes a lease along, and nobody else holds it.
@Suite struct LeaseTests {
    private final class Flag: Sendable {
        let isSet = Mutex(false)
        var value: Bool { isSet.withLock { $0 } }
    }

    private let provider = LoopbackSystem()
    private let ended = Flag()

    private func lease() -> Lease {
        let ended = ended
        return Lease { ended.isSet.withLock { $0 = true } }
    }

    @Test func aLeaseEndsWithTheLastConcreteProxy() async throws {
        let counter = Counter(on: provider)
        do {
            let proxy = try Counter.resolve(id: LoopbackID(key: counter.id.key, lease: lease()), using: LoopbackSystem(provider: provider))
            #expect(try await proxy.increment(by: 1) == 1)
            #expect(proxy.id == counter.id)
            #expect(!ended.value)
        }
        #expect(ended.value)
    }

    @Test func aLeaseEndsWithTheLastStub() async throws {
        let counter = Counter(on: provider)
        do {
            let stub: any CounterService = try $CounterService.resolve(
                id: LoopbackID(key: counter.id.key, lease: lease()), using: LoopbackSystem(provider: provider))
            #expect(try await stub.increment(by: 1) == 1)
            #expect(!ended.value)
        }
        #expect(ended.value)
    }

    @Test func aCopyOfTheIdKeepsTheLease() async throws {
        let counter = Counter(on: provider)
        var copy: LoopbackID?
        do {
            let proxy = try Counter.resolve(id: LoopbackID(key: counter.id.key, lease: lease()), using: LoopbackSystem(provider: provider))
            copy = proxy.id
        }
        #expect(!ended.value)
        #expect(copy == counter.id)
        copy = nil
        #expect(ended.value)
    }

    @Test func aRunningCallKeepsItsProxy() async throws {
        let counter = Counter(on: provider)
        let caller = LoopbackSystem(provider: provider)
        let id = LoopbackID(key: counter.id.key, lease: lease())
        let call = Task { [id] in try await Counter.resolve(id: id, using: caller).slow() }
        #expect(try await call.value == "done")
    }
}
