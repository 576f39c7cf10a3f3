internal import TelekinesisProtocol

/// What a call of `watch` is about.
enum WatchScope: Hashable, Sendable {
    case prefix(String)
    case name(String)
    case node(NodeID)

    func contains(_ name: String) -> Bool {
        switch self {
        case .prefix(let prefix): name.hasPrefix(prefix)
        case .name(let own): name == own
        case .node: false
        }
    }
}

/// A call of `watch` that waits until something changes.
struct Watcher: Sendable {
    let session: HubSession
    let call: CallID
    let scope: WatchScope
    /// The number of the last change that it knows of.
    var after: UInt64
}

/// What has become of names lately, and who waits to hear of more. Pure: says who is to be told, tells nobody.
///
/// Watchers come back for more, each with the number of the last change that it knows. So nothing is kept for each of them but a call that waits, and
/// changes are kept once for all.
struct ChangeLog: Sendable {
    /// A service began, or ended.
    struct Change: Sendable {
        let name: String
        /// `nil` when it began.
        let end: ServiceEnd?
    }

    private struct WatcherID: Hashable {
        let session: ObjectIdentifier
        let call: CallID
    }

    /// The number of the last change. Starts anywhere, so that numbers of another hub, or of before a restart, mean nothing here.
    private(set) var latest: UInt64
    /// The last changes, a ring: the one of number `n` is at `n % limit`.
    private var changes: [Change] = []
    private let limit: Int
    private let first: UInt64
    private var waiting: [WatchScope: [WatcherID: Watcher]] = [:]
    /// Lengths of the prefixes for which somebody waits, and how many of each there are.
    private var prefixLengths: [Int: Int] = [:]
    private var due: [Watcher] = []

    /// - Parameter limit: how many changes are remembered.
    init(limit: Int = 4096, startingAt number: UInt64 = .random(in: 1...(1 << 62))) {
        self.limit = limit
        // So that the first change has its place at the start of the ring.
        first = number - number % UInt64(limit)
        latest = first
    }

    // MARK: Changes

    /// A service began or ended.
    ///
    /// - Returns: the number of the change.
    @discardableResult
    mutating func note(_ change: Change) -> UInt64 {
        latest += 1
        let place = Int((latest - first - 1) % UInt64(limit))
        if place < changes.count { changes[place] = change } else { changes.append(change) }
        guard !waiting.isEmpty else { return latest }
        wake(.name(change.name))
        for length in Array(prefixLengths.keys) where length <= change.name.utf8.count {
            wake(.prefix(String(decoding: change.name.utf8.prefix(length), as: UTF8.self)))
        }
        return latest
    }

    /// A node came or went.
    mutating func nodeChanged(_ node: NodeID) { if !waiting.isEmpty { wake(.node(node)) } }

    private mutating func wake(_ scope: WatchScope) {
        guard let watchers = waiting.removeValue(forKey: scope) else { return }
        forgetLength(of: scope)
        for var watcher in watchers.values {
            // It has waited since then, so nothing before this one concerns it.
            watcher.after = latest - 1
            due.append(watcher)
        }
    }

    /// What has changed since a number: the last change of each name, in order.
    ///
    /// - Returns: `nil` when not all of that is remembered.
    func changes(after number: UInt64, in scope: WatchScope) -> [Change]? {
        guard number <= latest, latest - number <= UInt64(changes.count) else { return nil }
        var seen: Set<String> = []
        var result: [Change] = []
        var current = latest
        while current > number {
            let change = changes[Int((current - first - 1) % UInt64(limit))]
            if scope.contains(change.name), seen.insert(change.name).inserted { result.append(change) }
            current -= 1
        }
        return result.reversed()
    }

    // MARK: Watchers

    /// A call waits from now on.
    mutating func wait(_ watcher: Watcher) {
        if waiting[watcher.scope] == nil, case .prefix(let prefix) = watcher.scope { prefixLengths[prefix.utf8.count, default: 0] += 1 }
        waiting[watcher.scope, default: [:]][Self.id(watcher.session, watcher.call)] = watcher
    }

    /// A call waits no longer.
    mutating func remove(_ call: CallID, of session: HubSession, _ scope: WatchScope) {
        guard waiting[scope]?.removeValue(forKey: Self.id(session, call)) != nil, waiting[scope]?.isEmpty == true else { return }
        waiting[scope] = nil
        forgetLength(of: scope)
    }

    /// Those who are to be told now, once.
    mutating func takeDue() -> [Watcher] {
        defer { due = [] }
        return due
    }

    /// All who wait: they are to be sent away.
    mutating func takeAll() -> [Watcher] {
        defer {
            waiting = [:]
            prefixLengths = [:]
        }
        return waiting.values.flatMap(\.values)
    }

    private mutating func forgetLength(of scope: WatchScope) {
        guard case .prefix(let prefix) = scope, let count = prefixLengths[prefix.utf8.count] else { return }
        prefixLengths[prefix.utf8.count] = count == 1 ? nil : count - 1
    }

    private static func id(_ session: HubSession, _ call: CallID) -> WatcherID { WatcherID(session: ObjectIdentifier(session), call: call) }
}
