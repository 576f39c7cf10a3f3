package import Distributed

/// What caller and provider share.
@Resolvable
package protocol CounterService: DistributedActor where ActorSystem == LoopbackSystem {
    distributed func increment(by amount: Int) async throws -> Int
    distributed func reset()
    distributed func describe(_ prefix: String, twice: Bool) -> String
    distributed func fail() throws(CounterError)
    distributed func add(_ amount: Int) -> Int
}

/// Something that a counter is not.
@Resolvable
package protocol GpuService: DistributedActor where ActorSystem == LoopbackSystem {
    distributed func render(_ name: String) -> String
    distributed func reset()
}

/// What a counter throws.
package enum CounterError: Error, Codable, Equatable {
    case exhausted
}

/// An actor of a library, so that another module can extend it.
package distributed actor Lamp {
    package typealias ActorSystem = LoopbackSystem

    package init(on system: LoopbackSystem) { actorSystem = system }

    package distributed func toggle() -> Bool { true }
}

/// An actor with something that a counter's caller must never see.
package distributed actor Vault {
    package typealias ActorSystem = LoopbackSystem
    private var content = 42

    package init(on system: LoopbackSystem) { actorSystem = system }

    package distributed var secret: Int { content }
}
