import Distributed
import Telekinesis

/// Counts things.
distributed actor Counter {
    private var count: Int

    init(initialValue: Int = 0, on node: Node) {
        count = initialValue
        actorSystem = node
    }

    /// Adds `amount` and returns the new value.
    distributed func increment(by amount: Int = 1) -> Int {
        // Wraps: what comes from callers must not be able to end the provider.
        count &+= amount
        return count
    }

    distributed var value: Int { count }

    distributed func fail(with message: String) throws -> Int { throw Trouble(message: message) }

    distributed func failOpaquely() throws { throw Opaque() }

    distributed func echo(_ bytes: [UInt8]) -> [UInt8] { bytes }

    distributed func add(_ a: Int, to b: Int, label: String) -> String { "\(label)=\(a + b)" }

    /// Waits until the task is cancelled, and says so by the count.
    distributed func hang() async throws {
        do {
            try await Task.sleep(for: .seconds(3600))
        } catch {
            count = -1
            throw error
        }
    }
}

struct Trouble: Error, Codable, Equatable {
    var message: String
}

struct Opaque: Error, CustomStringConvertible {
    var description: String { "opaque trouble" }
}

@Resolvable
protocol CounterService: DistributedActor where ActorSystem == Node {
    distributed func increment(by amount: Int) async throws -> Int
    distributed func fail(with message: String) async throws -> Int
}

@Resolvable
protocol Unrelated: DistributedActor where ActorSystem == Node {
    distributed func somethingElse() async throws -> Int
}
