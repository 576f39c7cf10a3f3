internal import TelekinesisProtocol

/// Asks the hub about names, one question after the other.
struct NameWatch {
    private enum Scope {
        case prefix(String)
        case name(ServiceName)
    }

    private enum Place {
        /// All that is served is to be told anew.
        case start
        /// More of it, behind a name; what has changed since the number is to be asked for then.
        case listing(from: String, number: UInt64)
        /// What has changed since.
        case following(UInt64)
    }

    private let scope: Scope
    private var place = Place.start
    private var names: WatchedNames
    /// When the last changes came, on the clock of ``CallScope``.
    private var lastChange: UInt64 = 0
    /// So long the next ones are waited for, in nanoseconds: whatever changes often is told in pieces of a sensible size.
    private static let pause: UInt64 = 20_000_000

    init(prefix: String) {
        scope = .prefix(prefix)
        names = WatchedNames()
    }

    /// - Parameter name: assumed to be served.
    init(name: ServiceName) {
        scope = .name(name)
        names = WatchedNames(assuming: name.description)
    }

    /// Asks once.
    nonisolated(nonsending) mutating func look(on node: Node) async throws(TelekinesisError) -> [WatchEvent] {
        switch place {
        case .start:
            let answer = try await node.look(request())
            names.beginList()
            return listed(answer, number: answer.number)
        case .listing(let last, let number):
            // Anew, if this fails: with the connection the hub may be another one.
            place = .start
            return listed(try await node.look(request(from: last)), number: number)
        case .following(let number):
            await breathe()
            let answer = try await node.look(request(after: number))
            place = answer.isComplete ? .following(answer.number) : .start
            lastChange = CallScope.now
            return names.changed(answer.names)
        }
    }

    private mutating func listed(_ answer: WatchAnswer, number: UInt64) -> [WatchEvent] {
        let events = names.listed(answer.names)
        if !answer.isComplete, let last = answer.names.last {
            place = .listing(from: last.name, number: number)
            return events
        }
        place = .following(number)
        return events + names.endList()
    }

    private func request(after number: UInt64? = nil, from last: String? = nil) -> WatchRequest {
        switch scope {
        case .prefix(let prefix): WatchRequest(prefix: prefix, after: number, from: last)
        case .name(let name): WatchRequest(name: name, after: number)
        }
    }

    private nonisolated(nonsending) func breathe() async {
        let next = lastChange + Self.pause
        let now = CallScope.now
        if now < next { try? await Task.sleep(for: .nanoseconds(Int64(next - now))) }
    }
}
