internal import Reactor
internal import Synchronization
internal import TelekinesisProtocol

/// A reservation as its node sees it: renewed for as long as somebody holds it, at most until its time is over.
final class ReservationLease: Sendable {
    /// How a reservation ended.
    enum End: Sendable {
        /// The holder let it go.
        case released
        /// The time that the holder asked for is over.
        case timeIsOver
        /// The hub knows it no longer.
        case lost(TelekinesisError)
    }

    private struct State {
        var end: End?
        /// The next renewal, or the end of the time.
        var timer: Timer?
        /// When the time is over that the holder asked for, on the loop's clock.
        var time = UInt64.max
    }

    /// How long the hub waits for a word of this node, in milliseconds. Three go out in that time.
    static let length: UInt32 = 15_000

    private let name: ServiceName
    private let handle: UInt32
    /// It ends with that.
    private let connection: UInt64
    private let session: NodeSession
    private let state = Mutex(State())

    init(name: ServiceName, handle: UInt32, connection: UInt64, session: NodeSession) {
        self.name = name
        self.handle = handle
        self.connection = connection
        self.session = session
    }

    func request(wait: Bool, renews: Bool = false) -> ReserveRequest {
        ReserveRequest(name: name, route: handle, wait: wait, lease: Self.length, renews: renews ? true : nil)
    }

    /// Why a call to the reserved provider cannot be made; `nil` when it can.
    ///
    /// - Parameter current: the connection that there is.
    func refusal(connection current: UInt64) -> TelekinesisError? {
        switch state.withLock({ $0.end }) {
        case .released: TelekinesisError(.invalidUse, "this reservation of “\(name)” was released: reserve again")
        case .timeIsOver: TelekinesisError(.noProvider, "the time of this reservation of “\(name)” is over: reserve again")
        case .lost(let error): error
        case nil where current != connection:
            TelekinesisError(.noProvider, "this reservation of “\(name)” has ended with the connection to the hub: reserve again")
        case nil: nil
        }
    }

    /// The hub holds the place from now on.
    ///
    /// - Parameter time: after which it ends, in nanoseconds; `nil` for none.
    func begin(_ lease: UInt32, endsAfter time: UInt64?) {
        let now = session.loop.now
        if let time { state.withLock { $0.time = now.addingReportingOverflow(time).overflow ? .max : now + time } }
        schedule(lease)
    }

    private func schedule(_ lease: UInt32) {
        let now = session.loop.now
        let renewal = now + UInt64(lease) * 1_000_000 / 3
        let next = state.withLock { min(renewal, $0.time) }
        let timer = session.loop.schedule(after: Int64(next > now ? next - now : 0)) { [weak self] in self?.goOn(lease) }
        let isOver = state.withLock { state in
            if state.end == nil { state.timer = timer }
            return state.end != nil
        }
        if isOver { timer.cancel() }
    }

    private func goOn(_ lease: UInt32) {
        let (time, isOver) = state.withLock { ($0.time, $0.end != nil) }
        guard !isOver, session.connection.load(ordering: .relaxed) == connection else { return }
        guard session.loop.now < time else { return end(.timeIsOver) }
        if let frame = try? ControlCall.frame(HubService.reserve, request(wait: false, renews: true)) {
            session.start(frame, to: ControlCall.target) { [weak self] result in
                // Any other failure leaves the lease as it is: the next renewal may succeed.
                if let error = result.failure, error.code == .noProvider { self?.end(.lost(error)) }
            }
        }
        schedule(lease)
    }

    /// The reservation ends; the first end counts.
    func end(_ end: End) {
        guard finish(end), let frame = try? ControlCall.frame(HubService.unbind, handle) else { return }
        session.tell(frame)
    }

    /// Ends the reservation and waits for the hub's word about it.
    func release() async {
        guard finish(.released), let frame = try? ControlCall.frame(HubService.unbind, handle) else { return }
        // If there is no answer, the connection has ended, and with it the reservation.
        _ = try? await session.settle(frame)
    }

    /// - Returns: whether the hub is to be told.
    private func finish(_ end: End) -> Bool {
        let (isFirst, timer) = state.withLock { state in
            defer { state.end = state.end ?? end }
            return (state.end == nil, state.timer.take())
        }
        timer?.cancel()
        return isFirst && session.connection.load(ordering: .relaxed) == connection
    }
}
