import Glibc
import NotesAPI
import Telekinesis

let words = Array(CommandLine.arguments.dropFirst())

do {
    let node = try await Node.connect()
    let notes = try await node.resolve("sample/notes", as: $Notes.self, waitingUpTo: .seconds(30))
    do {
        if words.count == 2 {
            print("hello", try await notes.signIn(password: words[0]))
            // A number is that of a note which is done, anything else is a new note.
            let note = if let id = Int(words[1]) { try await notes.complete(id) } else { try await notes.create(words[1]) }
            print("number \(note.id)")
        }
        for note in try await notes.latest(10) { print(note.isCompleted ? "[x]" : "[ ]", note.id, "\(note.author): \(note.text)") }
    } catch let error as NotesError {
        print("refused: \(error)")
    }
    await node.close()
} catch {
    print("failed: \(error)")
    exit(1)
}
