internal import CSystem
internal import Glibc

/// The poller over Linux's epoll(7), with an eventfd(2) to wake it and a timerfd(2) for times that are far away.
///
/// A wait with a time-out costs the kernel half a microsecond more than one without, since it sets up a timer for each. The next timer of a loop
/// seldom changes, and is rarely near: so one timerfd is set when it must ring earlier than it would, and waits have no time-out.
///
/// `@unchecked Sendable`: the descriptors are constants, and the rest is touched only in `wait`, which one thread calls at a time.
final class EpollPoller: Poller, @unchecked Sendable {
    private static let capacity = 256
    private static let wakeToken = UInt64.max
    private static let alarmToken = UInt64.max - 1
    /// Nearer times are waited for with a time-out.
    private static let nearTime: UInt64 = 20_000_000

    private let epoll: Int32
    private let wakeDescriptor: Int32
    private let alarmDescriptor: Int32
    /// When the alarm rings; `.max` when it is not set.
    private var alarm = UInt64.max
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
        alarmDescriptor = tk_timerfd()
        guard alarmDescriptor >= 0 else {
            let error = SystemError(operation: "timerfd_create")
            Glibc.close(wakeDescriptor)
            Glibc.close(epoll)
            throw error
        }
        events = .allocate(capacity: Self.capacity)
        _ = tk_epoll_control(epoll, EPOLL_CTL_ADD, wakeDescriptor, tk_epoll_in() | tk_epoll_edge(), Self.wakeToken)
        _ = tk_epoll_control(epoll, EPOLL_CTL_ADD, alarmDescriptor, tk_epoll_in() | tk_epoll_edge(), Self.alarmToken)
    }

    deinit {
        Glibc.close(alarmDescriptor)
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
            case .until(let moment, let now): self.timeout(until: moment, now: now)
            case .forever: -1
            }
        let count = epoll_wait(epoll, events, Int32(Self.capacity), milliseconds)
        guard count > 0 else { return 0 }  // a time-out, or EINTR: either way the loop looks around and comes back
        for index in 0..<Int(count) {
            let event = events[index]
            // The eventfd and the timerfd are edge-triggered: their counts are never read, each write and each alarm is a new edge.
            switch event.data.u64 {
            case Self.wakeToken: break
            case Self.alarmToken: alarm = .max
            case let token: report(token, readiness(event.events))
            }
        }
        return Int(count)
    }

    /// The time-out in milliseconds of a wait until `moment`: none where the alarm rings in time.
    private func timeout(until moment: UInt64, now: UInt64) -> Int32 {
        let distance = moment > now ? moment - now : 0
        if distance < Self.nearTime { return Int32((distance + 999_999) / 1_000_000) }
        // One that rings too early makes the loop look, and set it anew.
        if alarm <= moment { return -1 }
        guard tk_timerfd_set(alarmDescriptor, moment) == 0 else { return Int32(clamping: (distance + 999_999) / 1_000_000) }
        alarm = moment
        return -1
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
