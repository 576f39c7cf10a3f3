internal import Synchronization
internal import TelekinesisProtocol

/// What one message hands over: objects of this node, and references to those of others.
///
/// It keeps all of them alive until they have been handed over. `@unchecked Sendable`: filled by the one thread that encodes the message, and
/// not changed afterwards.
final class OutgoingReferences: @unchecked Sendable {
    /// One thing that is handed over.
    enum Entry {
        case own(ActorKey, Callee)
        case remote(ActorTarget)

        var key: ActorKey? {
            switch self {
            case .own(let key, _): key
            case .remote(let target): target.key
            }
        }
    }

    private(set) var entries: [Entry] = []
    private var places: [ActorKey: Int] = [:]

    /// Adds something, once.
    ///
    /// - Returns: its place.
    /// - Throws: `tooLarge` when the table is full.
    func add(_ entry: Entry) throws(TelekinesisError) -> Int {
        guard let key = entry.key else { throw TelekinesisError(.internalError, "a name is no reference") }
        if let place = places[key] { return place }
        guard entries.count < ReferenceTable.maximumCount else {
            throw TelekinesisError(
                .tooLarge, "a call or a result has at most \(ReferenceTable.maximumCount) references to objects: hand them over in several")
        }
        entries.append(entry)
        places[key] = entries.count - 1
        return entries.count - 1
    }

    /// Whether it is known of everything where it is, and that it is there: an object that this node has just made elsewhere, or that a call is yet to
    /// return, may still have to find its place.
    var placesAreKnown: Bool {
        entries.allSatisfy { if case .remote(let target) = $0 { target.isSettled } else { true } }
    }

    /// Waits until that is known.
    ///
    /// - Parameters:
    ///   - scope: says for how long at most.
    ///   - ran: whether they are of the answer of a method, which has run.
    /// - Throws: the error of an object's construction; `deadlineExceeded` or `cancelled` when that comes before.
    nonisolated(nonsending) func findPlaces(in scope: CallScope = .current, ran: TelekinesisError.Execution = .no) async throws {
        for case .remote(let target) in entries where !target.isSettled {
            guard let instance = target.lease as? RemoteInstance else {
                throw TelekinesisError(.invalidUse, "the place of an object that is handed over is not known")
            }
            try await instance.settlement(in: scope, ran: ran)
        }
    }

    /// The table as it travels.
    var table: [UInt8] {
        ReferenceTable.bytes(
            entries.map { entry in
                switch entry {
                case .own(let key, _): (.hub, key)
                case .remote(let target): (target.node, target.key ?? .control)
                }
            })
    }

    // MARK: Handing over

    /// Gives everything to a node: what is this one's own is noted, for what is others' the owners are told.
    ///
    /// - Returns: the frames that tell them, to be sent in front of the message, and how many there are.
    /// - Throws: `overloaded` when the node holds too much already; then nothing is given.
    func give(to holder: NodeID, in registry: Registry) throws(TelekinesisError) -> (shares: [UInt8], count: Int) {
        var given = 0
        do throws(TelekinesisError) {
            for case .own(let key, let callee) in entries {
                try registry.give(callee, as: key, to: holder)
                given += 1
            }
        } catch {
            takeBack(given, from: holder, in: registry)
            throw error
        }
        var frames: [UInt8] = []
        var count = 0
        for case .remote(let target) in entries {
            // What goes home needs nobody's leave.
            guard let key = target.key, target.node != holder else { continue }
            frames += FrameWriter.share(key, of: target.node, with: holder)
            count += 1
        }
        return (frames, count)
    }

    /// The message did not leave, or its receiver had gone. What was freed with the receiver, or with the link, is not taken back once more.
    func takeBack(from holder: NodeID, in registry: Registry) { takeBack(.max, from: holder, in: registry) }

    private func takeBack(_ count: Int, from holder: NodeID, in registry: Registry) {
        var left = count
        for case .own(let key, _) in entries where left > 0 {
            registry.release(key, by: holder, count: 1, mayComeEarly: false)
            left -= 1
        }
    }

    /// Keeps what is this node's own callable while it is not known to whom the message goes.
    func pin(in registry: Registry) { for case .own(let key, let callee) in entries { registry.pin(callee, as: key) } }

    /// The message has arrived, or will not.
    func unpin(in registry: Registry) { for case .own(let key, _) in entries { registry.unpin(key) } }
}
