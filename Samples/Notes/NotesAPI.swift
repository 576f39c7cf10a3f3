public import Distributed
public import Telekinesis

/// A database of notes. Everybody may read; who writes, signs in.
@Resolvable
public protocol Notes: DistributedActor where ActorSystem == Node {
    /// Says who one is, for as long as the connection lasts, and returns the name. Throws a ``NotesError``, as all of these.
    distributed func signIn(password: String) async throws -> String
    /// Adds a note.
    distributed func create(_ text: String) async throws -> Note
    /// Notes that something is done.
    distributed func complete(_ id: Int) async throws -> Note
    /// The latest notes, at most a hundred.
    distributed func latest(_ count: Int) async throws -> [Note]
}

/// A note.
public struct Note: Codable, Sendable {
    /// Its number.
    public var id: Int
    /// Who has written it.
    public var author: String
    /// What it says.
    public var text: String
    /// Whether that is done.
    public var isCompleted: Bool

    /// A note.
    public init(id: Int, author: String, text: String, isCompleted: Bool) {
        self.id = id
        self.author = author
        self.text = text
        self.isCompleted = isCompleted
    }
}

/// What may go wrong. It is `Codable`, so callers catch what the database threw.
public enum NotesError: Error, Codable, Equatable {
    case wrongPassword
    case tooManyAttempts
    case signInFirst
    case noSuchNote(id: Int)
    case textTooLong(maximum: Int)
}
