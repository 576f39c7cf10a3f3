internal import TelekinesisProtocol

/// What a watcher has been told of names, so that it can be told what is different now. Pure.
///
/// The hub says how things stand, for the names of which something has changed or for all; whatever happened between two looks becomes one event.
struct WatchedNames {
    private enum Standing {
        /// Served; the number tells one service from the next. `nil`: taken for granted at the beginning.
        case served(UInt64?)
        case gone
    }

    private var known: [String: Standing] = [:]
    /// Names that have gone, oldest first: they come back, or are forgotten one day.
    private var departed: ArraySlice<String> = []
    private let maximumDeparted: Int
    /// While all names are being told: those that have not been among them yet.
    private var unseen: Set<String> = []

    /// - Parameters:
    ///   - name: of which it is assumed that it is served, so that only what becomes of it is told.
    ///   - maximumDeparted: how many names that have gone are remembered.
    init(assuming name: String? = nil, maximumDeparted: Int = 10_000) {
        if let name { known[name] = .served(nil) }
        self.maximumDeparted = maximumDeparted
    }

    /// How many names it remembers.
    var count: Int { known.count }

    // MARK: All names

    /// All names that are served are going to be told.
    mutating func beginList() { unseen = Set(known.keys.filter { isServed($0) }) }

    /// Some of them.
    mutating func listed(_ names: [WatchedName]) -> [WatchEvent] {
        for name in names { unseen.remove(name.name) }
        return changed(names)
    }

    /// Those were all.
    mutating func endList() -> [WatchEvent] {
        defer { unseen = [] }
        // How they went nobody knows any more.
        return unseen.sorted().compactMap { apply(WatchedName(name: $0, end: .gone)) }
    }

    // MARK: Changes

    /// Some names are as follows now.
    mutating func changed(_ names: [WatchedName]) -> [WatchEvent] { names.compactMap { apply($0) } }

    private mutating func apply(_ now: WatchedName) -> WatchEvent? {
        let name = now.name
        guard let number = now.service else {
            guard isServed(name) else { return nil }
            guard now.end != .withdrawn else {
                known[name] = nil
                return WatchEvent(.withdrawn, name)
            }
            depart(name)
            return WatchEvent(.gone, name)
        }
        let before = known.updateValue(.served(number), forKey: name)
        let kind: WatchEvent.Kind
        switch before {
        case nil: kind = .published
        case .gone: kind = .back
        case .served(nil), .served(number): return nil
        case .served: kind = .replaced
        }
        return WatchEvent(kind, name, service: now.listed)
    }

    private func isServed(_ name: String) -> Bool { if case .served = known[name] { true } else { false } }

    private mutating func depart(_ name: String) {
        known[name] = .gone
        departed.append(name)
        while departed.count > maximumDeparted {
            let oldest = departed.removeFirst()
            if case .gone = known[oldest] { known[oldest] = nil }
        }
    }
}

extension WatchedName {
    fileprivate var listed: ListedName? {
        guard let kind, let sharing else { return nil }
        return ListedName(name: name, kind: kind, sharing: sharing, providers: providers)
    }
}
