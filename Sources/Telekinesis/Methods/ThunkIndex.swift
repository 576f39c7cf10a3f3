internal import Distributed
internal import Synchronization

/// The signatures of all distributed thunks in the process by the type that declares them: for stubs and for callers, who need names but execute nothing.
final class ThunkIndex: Sendable {
    static let shared = ThunkIndex()

    private struct State {
        var known = 0
        var thunks: [String: [ThunkName]] = [:]
    }

    private let state = Mutex(State())

    /// The signatures of the methods of a stub.
    func signatures(of type: any DistributedActor.Type) -> [String] {
        thunks(of: ThunkName.ownerName(_typeName(type, qualified: true))).map(\.signature).sorted()
    }

    /// Whether another method of the same type has the same wire name.
    func isOverloaded(_ thunk: ThunkName) -> Bool {
        thunks(of: thunk.owner).contains { $0.wireName == thunk.wireName && $0.typedWireName != thunk.typedWireName }
    }

    /// The thunks of a type. Images are looked at again when the type is not known, since opening a library adds some.
    private func thunks(of owner: String) -> [ThunkName] {
        state.withLock { state in
            if let found = state.thunks[owner] { return found }
            let records = AccessibleFunctions.all()
            guard records.count != state.known else { return [] }
            state.known = records.count
            state.thunks = Dictionary(grouping: records.compactMap { ThunkName(mangled: $0.mangledName) }, by: \.owner)
            return state.thunks[owner] ?? []
        }
    }
}
