public import Distributed
public import Telekinesis

/// A room where people talk.
@Resolvable
public protocol Room: DistributedActor where ActorSystem == Node {
    /// Comes in: `listener` hears from now on what is said. Throws a ``RoomError`` when somebody else has the name.
    distributed func join(_ listener: $Listener, as name: String) async throws
    /// Says something to everybody. Throws ``RoomError/notHere`` before one has joined.
    distributed func say(_ text: String) async throws
    /// Goes out.
    distributed func leave() async throws
    /// Who is there.
    distributed func names() async throws -> [String]
}

/// What a member brings along, for the room to call.
@Resolvable
public protocol Listener: DistributedActor where ActorSystem == Node {
    distributed func heard(_ line: String) async throws
}

/// Errors travel as they are where both sides know their type.
public enum RoomError: Error, Codable {
    case nameTaken
    case notHere
}
