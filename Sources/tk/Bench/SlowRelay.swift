internal import CSystem
internal import Glibc
internal import Reactor

/// A relay that keeps whatever it carries for a while, as a long way does.
struct SlowRelay {
    /// Bytes on their way.
    private struct Parcel {
        let due: UInt64
        let to: Int32
        let bytes: ArraySlice<UInt8>
    }

    /// How long each way takes, in nanoseconds.
    static let delay: UInt64 = 5_000_000

    private var partners: [Int32: Int32] = [:]
    private var parcels: ArraySlice<Parcel> = []

    /// Passes bytes on between its clients and the server at a port of this machine, until the process is killed.
    static func run(to target: UInt16, announce: (UInt16) -> Void) throws(SystemError) {
        let (listener, port) = try FloorSocket.listen(on: 0)
        announce(port)
        var relay = SlowRelay()
        while true { try relay.turn(listener, target) }
    }

    /// Waits for something to carry or to deliver, and does so.
    private mutating func turn(_ listener: Int32, _ target: UInt16) throws(SystemError) {
        var sources = ([listener] + partners.keys).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let wait = parcels.first.map { Int32(clamping: (Int64($0.due) - Int64(now()) + 999_999) / 1_000_000) }
        if poll(&sources, nfds_t(sources.count), wait.map { max(0, $0) } ?? -1) < 0, errno != EINTR { throw FloorSocket.failure("poll") }
        while let parcel = parcels.first, parcel.due <= now() {
            parcels.removeFirst()
            deliver(parcel)
        }
        for source in sources where source.revents != 0 {
            if source.fd != listener {
                take(from: source.fd)
            } else {
                let near = tk_accept(listener, nil, nil)
                guard near >= 0 else { continue }
                _ = tk_no_delay(near)
                let far = try FloorSocket.connect(to: target)
                partners[near] = far
                partners[far] = near
            }
        }
    }

    private mutating func take(from source: Int32) {
        guard let partner = partners[source] else { return }
        let bytes = [UInt8](unsafeUninitializedCapacity: 256 * 1024) { memory, count in
            count = max(0, read(source, memory.baseAddress, memory.count))
        }
        guard !bytes.isEmpty else {
            for end in [source, partner] {
                partners[end] = nil
                close(end)
            }
            return
        }
        parcels.append(Parcel(due: now() + Self.delay, to: partner, bytes: bytes[...]))
    }

    private func deliver(_ parcel: Parcel) {
        var rest = parcel.bytes
        while !rest.isEmpty, partners[parcel.to] != nil {
            let sent = rest.withUnsafeBytes { tk_send(parcel.to, $0.baseAddress, $0.count) }
            if sent > 0 {
                rest = rest.dropFirst(sent)
            } else if errno != EAGAIN {
                return
            }
        }
    }
}
