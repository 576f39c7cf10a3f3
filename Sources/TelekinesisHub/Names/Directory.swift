internal import Synchronization
internal import TelekinesisProtocol

/// What all sessions share: who is there, and what is published. Touched when sessions, names and acquaintances begin and end, never per call.
struct Directory: ~Copyable {
    /// Sessions that were taken in.
    var sessions = IntegerTable<HubSession>()
    /// Sessions whose handshake is under way.
    var arriving: Set<ObjectIdentity<HubSession>> = []
    private(set) var names: [String: NameEntry] = [:]
    /// Those of them that somebody serves.
    private(set) var served = ServedNames()
    /// What has become of names, for those who watch.
    var changes = ChangeLog()

    /// The entry of a name that is to be served, bound or waited for from now on.
    mutating func entry(_ name: ServiceName) -> NameEntry {
        if let entry = names[name.description] { return entry }
        let entry = NameEntry(name)
        names[name.description] = entry
        return entry
    }

    /// Somebody serves a name now, or does so no longer.
    ///
    /// - Parameters:
    ///   - hasBegun: whether all who serve it have just begun to.
    ///   - end: how its last provider went, if it did.
    mutating func providersChanged(_ entry: NameEntry, hasBegun: Bool = false, _ end: ServiceEnd = .gone) {
        noteChange(of: entry, hasBegun: hasBegun, end)
        if entry.state.withLock({ $0.providers.isEmpty }) { served.remove(entry) } else { served.insert(entry) }
        sweep(entry)
    }

    /// Forgets a name that nobody would miss.
    mutating func sweep(_ entry: NameEntry) {
        if entry.state.withLock({ $0.isUnused }), names[entry.name.description] === entry {
            names[entry.name.description] = nil
            served.remove(entry)
        }
    }
}

/// An object as a member of a set.
struct ObjectIdentity<Object: AnyObject & Sendable>: Hashable, Sendable {
    let object: Object

    init(_ object: Object) { self.object = object }

    static func == (one: Self, other: Self) -> Bool { one.object === other.object }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(object)) }
}
