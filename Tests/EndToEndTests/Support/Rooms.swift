import Distributed
import Synchronization
@testable import Telekinesis

/// What people join with.
@Resolvable
protocol Listener: DistributedActor where ActorSystem == Node {
    distributed func heard(_ text: String) async throws
    distributed func name() async throws -> String
}

/// Somebody who listens.
distributed actor Person: Listener {
    private let title: String
    private let watch: Watch?
    private var texts: [String] = []

    init(_ title: String, on node: Node, _ watch: Watch? = nil) {
        self.title = title
        self.watch = watch
        actorSystem = node
        watch?.began()
    }

    deinit { watch?.ended() }

    distributed func heard(_ text: String) { texts.append(text) }
    distributed func name() -> String { title }
    distributed func all() -> [String] { texts }
    distributed func me() -> Person { self }
    distributed func isThisMe(_ other: Person) -> Bool { other === self }
}

/// References within a value.
struct Invitation: Codable, Sendable {
    var guests: [String: $Listener]
    var host: Person?
    var onAnswer: RemoteFunction<(String) -> Int>
}

/// Keeps what it is given.
distributed actor Room {
    private var listeners: [$Listener] = []
    private var invitation: Invitation?

    init(on node: Node) { actorSystem = node }

    distributed func join(_ listener: $Listener) async throws -> Int {
        listeners.append(listener)
        return listeners.count
    }

    distributed func say(_ text: String) async throws {
        for listener in listeners { try await listener.heard(text) }
    }

    distributed func names() async throws -> [String] {
        var names: [String] = []
        for listener in listeners { names.append(try await listener.name()) }
        return names
    }

    distributed func first() -> $Listener? { listeners.first }
    distributed func everybody() -> [$Listener] { listeners }
    distributed func leave() { listeners = [] }

    /// Hands its first listener on to another room, wherever that is.
    distributed func introduce(to other: Room) async throws -> Int {
        guard let first = listeners.first else { return 0 }
        return try await other.join(first)
    }

    distributed func invite(_ invitation: Invitation) async throws -> Int {
        self.invitation = invitation
        var sum = 0
        for (name, guest) in invitation.guests.sorted(by: { $0.key < $1.key }) {
            try await guest.heard("welcome \(name)")
            sum += try await invitation.onAnswer(name)
        }
        return sum
    }

    distributed func cancelInvitation() { invitation = nil }

    distributed func make(_ title: String) -> Person { Person(title, on: actorSystem) }
    distributed func map(_ numbers: [Int], _ body: RemoteFunction<(Int, String) -> String>) async throws -> [String] {
        var mapped: [String] = []
        for number in numbers { mapped.append(try await body(number, "n")) }
        return mapped
    }

    distributed func adder(_ amount: Int) -> RemoteFunction<(Int) -> Int> { RemoteFunction { $0 + amount } }
    distributed func same(_ function: RemoteFunction<(Int) -> Int>) -> RemoteFunction<(Int) -> Int> { function }

    /// Refuses after it was given something.
    distributed func refuse(_ listener: $Listener) throws { throw Trouble(message: "no") }

    distributed func take(_ bytes: [UInt8], _ listener: $Listener) async throws -> String { try await listener.name() }
}
