public import Distributed
internal import Reactor
internal import TelekinesisLink
internal import TelekinesisProtocol

extension Node {
    /// Watches all names that start with a prefix.
    ///
    /// ```swift
    /// for await event in node.watch("demo/") { print(event.kind, event.name) }
    /// ```
    ///
    /// Those that are served at the beginning are told as `published`. See ``Watching``.
    ///
    /// - Parameter prefix: what the names start with; empty for all. A whole name stands for those that it begins as well.
    public func watch(_ prefix: String) -> Watching { Watching(self, .prefix(prefix)) }

    /// Watches an object.
    ///
    /// Of a proxy that was got by name the name is watched, whoever serves it: `withdrawn`, `gone`, `back`, `replaced`, `published`. Of another proxy the
    /// object itself, which is kept alive meanwhile: `gone` when its node has lost its connection or ended; `back` when its node has come back and still has
    /// the object; when it has come back without, the watching ends. That the object is there at the beginning is taken for granted: the first event tells of
    /// something else. See ``Watching``.
    ///
    /// - Parameter object: a proxy.
    public func watch<Object: DistributedActor>(_ object: Object) -> Watching where Object.ActorSystem == Node {
        switch object.id.target.place {
        case .route(let route), .reserved(let route): Watching(self, .name(route.name))
        case .remote, .local: Watching(self, .object(object.id.target))
        }
    }
}

/// What becomes of names, or of an object: an asynchronous sequence of ``WatchEvent``s.
///
/// Each reading of it watches anew. The hub is asked while somebody waits for the next event, and nothing is kept for who is slow: he hears how things stand
/// when he asks again, with one event for each name that is not as it was, whatever happened to it meanwhile. The same after the connection to the hub was
/// lost; until it is back, nothing is told. Events that follow each other closely may come up to 20 ms late, and as one. The sequence ends when the reading
/// task is cancelled. When the hub refuses, or the node is closed, the last event is `ended`.
public struct Watching: AsyncSequence, Sendable {
    enum Subject: Sendable {
        case prefix(String)
        case name(ServiceName)
        case object(ActorTarget)
    }

    private let node: Node
    private let subject: Subject

    init(_ node: Node, _ subject: Subject) {
        self.node = node
        self.subject = subject
    }

    /// Begins to watch.
    public func makeAsyncIterator() -> Iterator {
        switch subject {
        case .prefix(let prefix): Iterator(node, prefix, names: NameWatch(prefix: prefix))
        case .name(let name): Iterator(node, name.description, names: NameWatch(name: name))
        case .object(let target): Iterator(node, "\(ActorID(target))", object: ObjectWatch(target))
        }
    }

    /// Watches.
    public struct Iterator: AsyncIteratorProtocol {
        private let node: Node
        private let name: String
        // One of the two; changed where they are, as names may be many.
        private var names: NameWatch?
        private var object: ObjectWatch?
        private var events: ArraySlice<WatchEvent> = []
        private var hasEnded = false
        private var backoff = Backoff()
        private var generator = SystemRandomNumberGenerator()

        fileprivate init(_ node: Node, _ name: String, names: NameWatch? = nil, object: ObjectWatch? = nil) {
            self.node = node
            self.name = name
            self.names = names
            self.object = object
        }

        /// The next event; `nil` when the task is cancelled, or after the last one.
        public mutating func next() async -> WatchEvent? { await take() }

        /// The next event; `nil` when the task is cancelled, or after the last one.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> WatchEvent? { await take() }

        private nonisolated(nonsending) mutating func take() async -> WatchEvent? {
            while true {
                if Task.isCancelled { return nil }
                if let event = events.popFirst() { return event }
                if hasEnded { return nil }
                do throws(TelekinesisError) {
                    try await look()
                    backoff = Backoff()
                } catch {
                    guard !Task.isCancelled else { return nil }
                    if Self.mayPass(error) {
                        try? await Task.sleep(for: .nanoseconds(Int64(backoff.delay(using: &generator))))
                    } else {
                        hasEnded = true
                        events = [WatchEvent(.ended, name, error: error)]
                    }
                }
            }
        }

        private nonisolated(nonsending) mutating func look() async throws(TelekinesisError) {
            if let found = try await names?.look(on: node) { events += found }
            if let found = try await object?.look(on: node) { events += found }
            hasEnded = object?.isOver ?? false
        }

        /// Whether the hub may answer differently another time, or another hub.
        private static func mayPass(_ error: TelekinesisError) -> Bool {
            switch error.code {
            case .disconnected, .moved, .draining, .overloaded, .unreachable: true
            default: false
            }
        }
    }
}

extension Node {
    /// Asks the hub what has become of something; waits for as long as that takes, whatever the deadline of the task's calls is.
    nonisolated(nonsending) func look(_ request: WatchRequest) async throws(TelekinesisError) -> WatchAnswer {
        do {
            return try await CallScope(isUnlimited: true).run { try await control(HubService.watch, request, as: WatchAnswer.self) }
        } catch {
            throw error as? TelekinesisError ?? TelekinesisError(.internalError, "\(error)", cause: error)
        }
    }
}
