import Glibc
import NotesAPI
import NotesSQLite
import Synchronization
import Telekinesis

distributed actor NotesDatabase: Notes {
    /// What is known of each connection, for as long as it lasts.
    private final class Visitor: Sendable {
        let name = Mutex<String?>(nil)
        let failures = Mutex(0)
    }

    private static let passwords = ["tinaspassword": "tina", "tomspassword": "tom"]
    private static let maximumText = 1000

    private let insert: Statement
    private let update: Statement
    private let select: Statement

    init(_ path: String, on node: Node) throws {
        let database = try Database(path)
        try database.prepare("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, author TEXT, text TEXT, completed INTEGER)").run()
        insert = try database.prepare("INSERT INTO notes (author, text, completed) VALUES (?, ?, 0) RETURNING id, author, text, completed")
        update = try database.prepare("UPDATE notes SET completed = 1 WHERE id = ? RETURNING id, author, text, completed")
        select = try database.prepare("SELECT id, author, text, completed FROM notes ORDER BY id DESC LIMIT ?")
        actorSystem = node
    }

    distributed func signIn(password: String) throws -> String {
        guard visitor.failures.withLock({ $0 }) < 3 else { throw NotesError.tooManyAttempts }
        guard let name = Self.passwords[password] else {
            visitor.failures.withLock { $0 += 1 }
            throw NotesError.wrongPassword
        }
        visitor.name.withLock { $0 = name }
        return name
    }

    distributed func create(_ text: String) throws -> Note {
        let name = try signedIn()
        guard text.utf8.count <= Self.maximumText else { throw NotesError.textTooLong(maximum: Self.maximumText) }
        return try insert.run(.text(name), .text(text), read: note)[0]
    }

    distributed func complete(_ id: Int) throws -> Note {
        _ = try signedIn()
        guard let note = try update.run(.integer(id), read: note).first else { throw NotesError.noSuchNote(id: id) }
        return note
    }

    distributed func latest(_ count: Int) throws -> [Note] { try select.run(.integer(min(max(0, count), 100)), read: note) }

    private var visitor: Visitor { CallContext.current.connectionState { Visitor() } }

    private func signedIn() throws -> String {
        guard let name = visitor.name.withLock({ $0 }) else { throw NotesError.signInFirst }
        return name
    }

    private func note(_ row: Statement.Row) -> Note {
        Note(id: row.integer(0), author: row.text(1), text: row.text(2), isCompleted: row.integer(3) != 0)
    }
}

do {
    let node = try await Node.connect()
    let notes = try NotesDatabase(CommandLine.arguments.dropFirst().first ?? "notes.db", on: node)
    try await node.publish(notes, as: "sample/notes")
    print("serving sample/notes")
    try await node.run()
} catch {
    print("no notes: \(error)")
    exit(1)
}
