import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Objects that are called through a protocol which they do not have.
@Suite(.timeLimit(.minutes(1))) struct MissingMethodTests {
    @Test func theErrorNamesProtocolMethodAndNameAndSaysWhatToDo() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        // Resolving asks nothing of the object: which methods it has, a call shows.
        let wrong = try await caller.resolve("demo/counter", as: $Unrelated.self)
        let error = try await failure { try await wrong.somethingElse() }
        #expect(error.code == .noSuchMethod && error.ran == .no)
        for part in [
            "somethingElse() -> Int of Unrelated", "demo/counter", "Counter has no such method", "increment(by: Int) -> Int",
            "tk describe demo/counter",
        ] {
            #expect(error.message.contains(part), "\(part) is not in: \(error.message)")
        }
        // What it does have works on.
        let counter = try await caller.resolve("demo/counter", as: $CounterService.self)
        #expect(try await counter.increment(by: 1) == 1)
        await hub.stop()
    }

    @Test func soDoesTheErrorOfAReference() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let counter = Counter(on: provider)
        let wrong = try caller.resolve(text: provider.text(of: counter), as: $Unrelated.self)
        let error = try await failure { try await wrong.somethingElse() }
        #expect(error.code == .noSuchMethod && error.ran == .no)
        #expect(error.message.contains("somethingElse() -> Int of Unrelated") && error.message.contains("through a type or protocol"))
        withExtendedLifetime(counter) {}
        await hub.stop()
    }

    @Test func anErrorThatTheMethodItselfMetIsLeftAsItIs() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        let third = try await hub.connect()
        try await third.publish(Misled(on: third), as: "demo/misled")
        let misled = try await caller.resolve("demo/misled", as: Misled.self)
        let error = try await failure { try await misled.ask() }
        #expect(error.code == .noSuchMethod && error.ran == .yes)
        #expect(error.message.contains("somethingElse() -> Int of Unrelated") && !error.message.contains("ask()"))
        await hub.stop()
    }
}

/// Takes a counter for something else.
private distributed actor Misled {
    init(on node: Node) { actorSystem = node }

    distributed func ask() async throws -> Int {
        try await actorSystem.resolve("demo/counter", as: $Unrelated.self).somethingElse()
    }
}
