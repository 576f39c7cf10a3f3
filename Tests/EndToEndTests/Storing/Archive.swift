import Distributed
import Synchronization
import Telekinesis

/// An object with a method for each way in which stored values are handed over.
distributed actor Archive {
    private let journal: Journal

    init(on node: Node, _ journal: Journal = Journal()) {
        actorSystem = node
        self.journal = journal
    }

    distributed func size(of data: StoredData) -> Int {
        journal.note("size")
        return data.count
    }

    distributed func branch(with data: StoredData) -> Branch { Branch(data.count, on: actorSystem) }

    distributed func echo(_ data: StoredData) -> StoredData { data }

    distributed func sizes(of all: [StoredData], _ named: [String: StoredData], _ one: StoredData?, in album: Album) -> [Int] {
        all.map(\.count) + named.sorted { $0.key < $1.key }.map(\.value.count) + [one?.count ?? -1] + album.pages.map(\.picture.count)
    }

    distributed func album(_ count: Int, of size: Int) -> Album {
        Album(title: "new", pages: (0..<count).map { .init(number: $0, picture: StoredData(Self.bytes(size, $0))) })
    }

    distributed func sorted(_ numbers: Stored<[Int]>) -> Stored<[Int]> { Stored(numbers.value.sorted()) }

    distributed func shouted(_ note: Note) -> Note {
        journal.note("shouted")
        return Note(note.text.uppercased(), on: note.board)
    }

    distributed func shouted(all notes: [Note]) -> [Note] { notes.map { Note($0.text.uppercased(), on: $0.board) } }

    distributed func lenient(_ value: Lenient) -> Bool { value.note != nil }

    distributed func broken() -> Note { Note("never", on: "full") }

    distributed func missing() -> Note { Note("never", on: "lost") }

    static func bytes(_ count: Int, _ seed: Int = 0) -> [UInt8] {
        var generator = Numbers(state: UInt64(seed))
        return (0..<(count + 7) / 8).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }.prefix(count) + []
    }
}

/// A simple generator of numbers that look random (SplitMix64).
struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var number = state
        number = (number ^ (number >> 30)) &* 0xbf58_476d_1ce4_e5b9
        number = (number ^ (number >> 27)) &* 0x94d0_49bb_1331_11eb
        return number ^ (number >> 31)
    }
}

struct Album: Codable, Sendable, Equatable {
    struct Page: Codable, Sendable, Equatable {
        var number: Int
        var picture: StoredData
    }

    var title: String
    var pages: [Page]
}

/// A value that the store of the node keeps.
struct Book: Storable {
    let pages: [UInt8]

    func store() async throws -> StoredReference { try await CurrentValueStore.value.put(pages) }
    static func fetch(_ reference: StoredReference) async throws -> Book { Book(pages: try await CurrentValueStore.value.get(reference)) }
}

/// A value that is kept on a board of the test, under a number.
struct Note: Storable, Equatable {
    struct Reference: Codable, Sendable {
        let board: String
        let number: Int
    }

    let text: String
    let board: String

    init(_ text: String, on board: String) {
        self.text = text
        self.board = board
    }

    func store() async throws -> Reference {
        if board == "full" { throw TelekinesisError(.storeFull, "the board is full") }
        return Reference(board: board, number: Boards.add(text, to: board))
    }

    static func fetch(_ reference: Reference) async throws -> Note {
        guard reference.board != "lost", let text = Boards.text(reference.number, on: reference.board) else {
            throw TelekinesisError(.noSuchObject, "the board has no such note")
        }
        return Note(text, on: reference.board)
    }
}

/// Boards of all tests; each test has one of its own.
enum Boards {
    private static let state = Mutex<[String: (notes: [String], fetches: Int)]>([:])

    static func add(_ text: String, to board: String) -> Int {
        state.withLock { state in
            state[board, default: ([], 0)].notes.append(text)
            return state[board, default: ([], 0)].notes.count - 1
        }
    }

    static func text(_ number: Int, on board: String) -> String? {
        state.withLock { state in
            state[board]?.fetches += 1
            return state[board].flatMap { $0.notes.indices.contains(number) ? $0.notes[number] : nil }
        }
    }

    /// How many notes were stored, and how often one was fetched.
    static func counts(_ board: String) -> [Int] { state.withLock { [$0[board]?.notes.count ?? 0, $0[board]?.fetches ?? 0] } }
}

/// A type that goes on when a part of it cannot be read.
struct Lenient: Codable, Sendable {
    var note: Note?

    init(_ note: Note?) { self.note = note }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        note = try? container.decode(Note.self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(note)
    }
}

distributed actor Branch {
    private let count: Int

    init(_ count: Int, on node: Node) {
        self.count = count
        actorSystem = node
    }

    distributed func size() -> Int { count }
}

/// Shows a picture, which others follow.
distributed actor Screen {
    @Followed private var shown = StoredData([])

    init(on node: Node) { actorSystem = node }

    distributed var picture: RemoteState<StoredData> { $shown }

    distributed func show(_ picture: StoredData) { shown = picture }
}
