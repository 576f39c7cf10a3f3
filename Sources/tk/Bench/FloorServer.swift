internal import CSystem
internal import Glibc
internal import Reactor

/// An epoll loop that reads from sockets and writes what it read to others: the same one (echo) or a partner (relay).
struct FloorServer {
    /// One socket: where its bytes go, and what is still to be written to it.
    private struct Connection {
        let partner: Int32
        var backlog: [UInt8] = []
        /// How much of the backlog has been written.
        var written = 0
    }

    private static let bufferSize = 256 * 1024

    let port: UInt16

    private let listener: Int32
    private let epoll: Int32
    private var connections: [Int32: Connection] = [:]
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: FloorServer.bufferSize, alignment: 4096)

    init(port: UInt16) throws(SystemError) {
        (listener, self.port) = try FloorSocket.listen(on: port)
        epoll = tk_epoll_create()
        guard epoll >= 0 else { throw FloorSocket.failure("epoll_create1") }
        _ = tk_epoll_control(epoll, EPOLL_CTL_ADD, listener, tk_epoll_in(), UInt64(listener))
    }

    /// Runs for ever. `pair` gives each accepted socket the two ends between which bytes are carried.
    mutating func run(_ pair: (Int32) throws(SystemError) -> (Int32, Int32)) throws(SystemError) {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            let count = epoll_wait(epoll, &events, Int32(events.count), -1)
            if count < 0, errno != EINTR { throw FloorSocket.failure("epoll_wait") }
            for index in 0..<max(0, Int(count)) {
                let event = events[index]
                let socket = Int32(truncatingIfNeeded: event.data.u64)
                if socket == listener {
                    try accept(pair)
                } else {
                    if event.events & tk_epoll_out() != 0 { writeBacklog(to: socket) }
                    if event.events & (tk_epoll_in() | tk_epoll_end()) != 0 { carry(from: socket) }
                }
            }
        }
    }

    private mutating func accept(_ pair: (Int32) throws(SystemError) -> (Int32, Int32)) throws(SystemError) {
        let socket = tk_accept(listener, nil, nil)
        guard socket >= 0 else { return }
        _ = tk_no_delay(socket)
        let (near, far) = try pair(socket)
        connections[near] = Connection(partner: far)
        connections[far] = Connection(partner: near)
        for end in Set([near, far]) {
            _ = tk_epoll_control(epoll, EPOLL_CTL_ADD, end, tk_epoll_in() | tk_epoll_out() | tk_epoll_edge(), UInt64(end))
        }
    }

    private mutating func carry(from socket: Int32) {
        while let partner = connections[socket]?.partner {
            let count = read(socket, buffer.baseAddress, buffer.count)
            if count <= 0 {
                if count == 0 || errno != EAGAIN { close(socket, partner) }
                return
            }
            var sent = 0
            if connections[partner]?.backlog.isEmpty == true { sent = max(0, tk_send(partner, buffer.baseAddress, count)) }
            if sent < count { connections[partner]?.backlog.append(contentsOf: buffer[sent..<count]) }
            if count < buffer.count { return }
        }
    }

    private mutating func writeBacklog(to socket: Int32) {
        guard let connection = connections[socket], !connection.backlog.isEmpty else { return }
        let written = connection.backlog.withUnsafeBytes { bytes in
            let rest = bytes[connection.written...]
            return connection.written + max(0, tk_send(socket, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count))
        }
        if written == connection.backlog.count {
            connections[socket]?.backlog.removeAll(keepingCapacity: true)
            connections[socket]?.written = 0
        } else {
            connections[socket]?.written = written
        }
    }

    private mutating func close(_ sockets: Int32...) {
        for socket in Set(sockets) {
            connections[socket] = nil
            Glibc.close(socket)
        }
    }
}
