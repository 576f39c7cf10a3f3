public import Distributed
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// One provider of a name, held for this program.
///
/// It is held until it is released, until the last copy of this value and of its ``object`` is gone, until its time is over, or until the connection
/// of this node or of the provider ends, whichever comes first.
public struct Reservation<Object: DistributedActor>: Sendable where Object.ActorSystem == Node {
    /// The provider's object. Its calls go there and nowhere else; when the reservation has ended they fail with `noProvider`.
    public let object: Object
    private let lease: ReservationLease
    private let route: NameRoute

    init(object: Object, lease: ReservationLease, route: NameRoute) {
        self.object = object
        self.lease = lease
        self.route = route
    }

    /// Lets others have the provider. Calls under way are answered; later ones fail with `invalidUse`.
    public func release() async { await lease.release() }
}

extension Node {
    /// Holds one provider of a name.
    ///
    /// Others are not sent there meanwhile, unless it was published with a `concurrency` that leaves room for them: the reservation is one of these
    /// places. Calls of the holder beyond that place take free ones, or wait.
    ///
    /// - Parameters:
    ///   - name: what the providers published.
    ///   - type: the distributed actor's type, or the stub of a `@Resolvable` protocol.
    ///   - time: after which the reservation ends of itself; by default it is held until it is let go.
    ///   - patience: how long to wait for a free provider; ``Duration/zero``: not at all.
    /// - Throws: ``TelekinesisError``: `noProvider` when none was free in time, `overloaded` when none is free and there is no time to wait, or this
    ///   node holds too many; `invalidUse` when the name stands for something that is no object.
    public func reserve<Object: DistributedActor>(
        _ name: String, as type: Object.Type, for time: Duration? = nil, waitingUpTo patience: Duration = .seconds(30)
    ) async throws -> Reservation<Object> where Object.ActorSystem == Node {
        let name = try ServiceName(name)
        let connection = session.connection.load(ordering: .relaxed)
        let route = session.state.withLock { $0.routes.reserve(name, session: session, connection: connection) }
        guard let lease = route.lease else { throw TelekinesisError(.internalError, "a reservation has a lease") }
        let request = lease.request(wait: patience > .zero)
        let answer: ReserveAnswer
        do {
            if patience > .zero {
                answer = try await withDeadline(.after(patience)) { try await control(HubService.reserve, request, as: ReserveAnswer.self) }
            } else {
                answer = try await control(HubService.reserve, request, as: ReserveAnswer.self)
            }
        } catch let error as TelekinesisError where error.code == .deadlineExceeded && patience > .zero {
            throw TelekinesisError(.noProvider, "no provider of “\(name)” was free within \(patience)", ran: .no, cause: error)
        }
        if let refusal = lease.refusal(connection: session.connection.load(ordering: .relaxed)) { throw refusal }
        guard answer.kind == .object else {
            throw TelekinesisError(.invalidUse, "“\(name)” stands for \(answer.kind.withArticle): only objects can be reserved")
        }
        route.resolved(answer.encoding)
        lease.begin(answer.lease, endsAfter: time.map { UInt64(max(0, $0.nanoseconds)) })
        let id = ActorID(ActorTarget(.name(name.description), .reserved(route)))
        return Reservation(object: try Object.resolve(id: id, using: self), lease: lease, route: route)
    }

    /// Holds one provider of a name while an operation runs.
    ///
    /// ```swift
    /// let image = try await node.withReservation(of: "demo/gpu", as: Gpu.self) { gpu in
    ///     try await gpu.load(model)
    ///     return try await gpu.render(scene)
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - name: what the providers published.
    ///   - type: the distributed actor's type, or the stub of a `@Resolvable` protocol.
    ///   - patience: how long to wait for a free provider.
    ///   - operation: gets the provider's object; runs where the caller runs.
    /// - Throws: what ``reserve(_:as:for:waitingUpTo:)`` and the operation throw.
    public nonisolated(nonsending) func withReservation<Object: DistributedActor, Result>(
        of name: String, as type: Object.Type, waitingUpTo patience: Duration = .seconds(30),
        _ operation: nonisolated(nonsending) (Object) async throws -> Result
    ) async throws -> Result where Object.ActorSystem == Node {
        let reservation = try await reserve(name, as: type, waitingUpTo: patience)
        do {
            let result = try await operation(reservation.object)
            await reservation.release()
            return result
        } catch {
            await reservation.release()
            throw error
        }
    }
}
