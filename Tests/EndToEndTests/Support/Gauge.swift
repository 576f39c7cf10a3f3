import Distributed
@testable import Telekinesis

struct Place: Codable, Sendable, Equatable {
    var x = 0
    var name = ""
}

/// Of no use to anybody who wants to know whether it has changed.
struct Reading: Codable, Sendable {
    var number = 0
}

/// An object whose state others follow.
distributed actor Gauge {
    @Followed private var number: Int
    @Followed private var spot = Place()
    @Followed private var reading = Reading()
    private let watch: Watch?

    init(_ number: Int = 0, on node: Node, _ watch: Watch? = nil) {
        self.watch = watch
        _number = Followed(wrappedValue: number)
        actorSystem = node
        watch?.began()
    }

    deinit { watch?.ended() }

    distributed var level: RemoteState<Int> { $number }
    distributed func place() -> RemoteState<Place> { $spot }
    distributed func readings() -> RemoteState<Reading> { $reading }

    distributed func set(_ number: Int) { self.number = number }
    distributed func count(to end: Int) { for number in 0...end { self.number = number } }
    distributed func rename(_ name: String) { spot.name = name }
    distributed func read(_ number: Int) { reading.number = number }
    distributed func first(of state: RemoteState<Int>) async throws -> Int { try await state.value }

    /// How many follow the number.
    var followers: Int { $number.followers }
}
