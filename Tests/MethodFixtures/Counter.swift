package import Distributed

/// The actor of most tests: one of everything that a distributed method can be.
package distributed actor Counter: CounterService {
    package typealias ActorSystem = LoopbackSystem
    package private(set) var count = 0

    package init(on system: LoopbackSystem) { actorSystem = system }

    package distributed func increment(by amount: Int) async throws -> Int {
        count += amount
        return count
    }
    package distributed func reset() { count = 0 }
    package distributed func describe(_ prefix: String, twice: Bool) -> String { twice ? prefix + prefix : prefix }
    package distributed func fail() throws(CounterError) { throw .exhausted }
    // The protocol knows one `add`, the actor two.
    package distributed func add(_ amount: Int) -> Int { amount + 1 }
    package distributed func add(_ text: String) -> Int { text.utf8.count }

    package distributed var value: Int { count }
    package distributed func failAfterArgument(_ item: Tracked) throws -> Tracked { throw CounterError.exhausted }
    package distributed func echo(_ item: Tracked) -> Tracked { item }
    package distributed func pair(_ first: Tracked, _ second: Int) -> Int { second }
    package distributed func join(_ a: Int, b: String, _ c: [Double], d: [String: Int?], e: UInt8?) -> [String] {
        ["\(a)", b, "\(c)", "\(d.count)", "\(e ?? 0)"]
    }
    package distributed func `class`() -> String { "class" }
    package distributed func generic<T: Codable & Sendable>(_ value: T) -> T { value }
    package distributed func other(_ counter: Counter) -> Counter { counter }
    package distributed func service(_ service: $CounterService) -> $CounterService { service }
    package distributed func big() -> Big { Big() }
    package distributed func slow() async throws -> String {
        for _ in 0..<10 { await Task.yield() }
        try Task.checkCancellation()
        return "done"
    }
}

/// Reads a `distributed var` from inside its module: from another one, the compiler crashes with `-O` (Swift 6.3, "SILFunction type mismatch").
package func value(of counter: Counter) async throws -> Int { try await counter.value }
