import Distributed
@testable import Telekinesis

/// What folders look like to those who do not link their code.
@Resolvable
protocol FolderService: DistributedActor where ActorSystem == Node {
    distributed func open(_ name: String) async throws -> Folder
    distributed func path() async throws -> String
}

/// An object whose methods return objects.
distributed actor Folder: FolderService {
    private let names: [String]
    private let watch: Watch?
    private let gate: Gate?
    private let journal: Journal?
    private var count = 0
    private var links: [String: Folder] = [:]

    init(_ names: [String] = [], on node: Node, _ watch: Watch? = nil, gate: Gate? = nil, journal: Journal? = nil) {
        self.names = names
        self.watch = watch
        self.gate = gate
        self.journal = journal
        actorSystem = node
        watch?.began()
    }

    deinit { watch?.ended() }

    /// A new object.
    distributed func open(_ name: String) -> Folder {
        journal?.note(name)
        return Folder(names + [name], on: actorSystem, watch, gate: gate, journal: journal)
    }

    distributed func open(_ name: String, with bytes: [UInt8]) -> Folder { open("\(name)\(bytes.count)") }

    /// A new object, as soon as the test opens the gate.
    distributed func openSlowly(_ name: String) async throws -> Folder {
        watch?.entered()
        do {
            await gate?.pass()
            try Task.checkCancellation()
        } catch {
            watch?.cancelled()
            throw error
        }
        return open(name)
    }

    /// Waits until its caller gives up.
    distributed func openNever() async throws -> Folder {
        watch?.entered()
        do {
            try await Task.sleep(for: .seconds(3600))
        } catch {
            watch?.cancelled()
            throw error
        }
        return self
    }

    /// An object of a published class, which may not have been made yet when it is returned.
    distributed func make(_ name: String) throws -> Folder { try actorSystem.class(name, of: Folder.self)() }

    distributed func same() -> Folder { self }
    distributed func fail(_ message: String) throws -> Folder { throw Trouble(message: message) }
    distributed func find(_ name: String?) -> Folder? { name.map { open($0) } }

    /// What somebody has put here, wherever that is.
    distributed func linked(_ name: String) throws -> Folder {
        guard let folder = links[name] else { throw Trouble(message: "no link \(name)") }
        return folder
    }

    distributed func link(_ name: String, to folder: Folder) { links[name] = folder }
    distributed func isMe(_ other: Folder) -> Bool { other === self }
    distributed func pathOf(_ other: Folder) async throws -> String { try await other.path() }

    distributed func path() -> String { names.joined(separator: "/") }

    /// Counts its calls: the number is noted before the first suspension.
    distributed func next(_ text: String) async -> Int {
        journal?.note(text)
        count += 1
        return count
    }
}
