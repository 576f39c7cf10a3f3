internal import CSystem
internal import Glibc

/// The poller over Linux's epoll(7), with an eventfd(2) to wake it.
///
/// `@unchecked Sendable`: the descriptors are constants, and the event buffer is touched only in `wait`, which one thread calls at a time.
final class EpollPoller: Poller, @unchecked Sendable {
    private static let capacity = 256
    private static let wakeToken = UInt64.max

    private let epoll: Int32
    private let wakeDescriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>

    init() throws(SystemError) {
        epoll = tk_epoll_create()
        guard epoll >= 0 else { throw SystemError(operation: "epoll_create1") }
        wakeDescriptor = tk_eventfd()
        guard wakeDescriptor >= 0 else {
            let error = SystemError(operation: "eventfd")
            Glibc.close(epoll)
            throw error
        }
        events = .allocate(capacity: Self.capacity)
        _ = tk_epoll_control(epoll, EPOLL_CTL_ADD, wakeDescriptor, tk_epoll_in() | tk_epoll_edge(), Self.wakeToken)
    }

    deinit {
        Glibc.close(wakeDescriptor)
        Glibc.close(epoll)
        events.deallocate()
    }

    func add(_ descriptor: Int32, for interest: Interest, token: UInt64) throws(SystemError) {
        if tk_epoll_control(epoll, EPOLL_CTL_ADD, descriptor, mask(interest), token) != 0 { throw SystemError(operation: "epoll_ctl") }
    }

    func change(_ descriptor: Int32, to interest: Interest, token: UInt64) {
        _ = tk_epoll_control(epoll, EPOLL_CTL_MOD, descriptor, mask(interest), token)
    }

    func remove(_ descriptor: Int32) {
        _ = tk_epoll_control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    func wait(_ timeout: PollTimeout, _ report: (UInt64, Readiness) -> Void) -> Int {
        let milliseconds: Int32 =
            switch timeout {
            case .none: 0
            case .milliseconds(let count): count
            case .forever: -1
            }
        let count = epoll_wait(epoll, events, Int32(Self.capacity), milliseconds)
        guard count > 0 else { return 0 }  // a time-out, or EINTR: either way the loop looks around and comes back
        for index in 0..<Int(count) {
            let event = events[index]
            // The eventfd is edge-triggered: its count is never read, each write is a new edge.
            if event.data.u64 != Self.wakeToken { report(event.data.u64, readiness(event.events)) }
        }
        return Int(count)
    }

    func wake() {
        _ = eventfd_write(wakeDescriptor, 1)
    }

    private func mask(_ interest: Interest) -> UInt32 {
        var mask: UInt32 = 0
        if interest.contains(.readable) { mask |= tk_epoll_in() | tk_epoll_peer_end() }
        if interest.contains(.writable) { mask |= tk_epoll_out() }
        if interest.contains(.onChange) { mask |= tk_epoll_edge() }
        return mask
    }

    private func readiness(_ events: UInt32) -> Readiness {
        var readiness: Readiness = []
        if events & tk_epoll_in() != 0 { readiness.insert(.readable) }
        if events & tk_epoll_out() != 0 { readiness.insert(.writable) }
        if events & tk_epoll_end() != 0 { readiness.insert(.ended) }
        return readiness
    }
}
