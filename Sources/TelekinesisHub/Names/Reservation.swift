internal import Reactor
internal import Synchronization

/// A place at a provider that a session holds, until its lease ends.
final class Reservation: Sendable {
    let seat: Provider
    /// When the lease ends, on the hub's clock.
    private let end: Atomic<UInt64>
    private let timer = Mutex<Timer?>(nil)

    init(_ seat: Provider, until end: UInt64) {
        self.seat = seat
        self.end = Atomic(end)
    }

    var until: UInt64 {
        get { end.load(ordering: .relaxed) }
        set { end.store(newValue, ordering: .relaxed) }
    }

    func setTimer(_ timer: Timer) { self.timer.withLock { $0 = timer } }

    func stopTimer() { timer.withLock { $0.take() }?.cancel() }
}
