internal import CSystem
internal import Glibc
internal import Reactor

/// What the machine itself takes for a message to another process and back: plain epoll loops without anything on top.
///
/// The benchmark runs them beside its own measurements, each in a process of its own, and gives its results as multiples of theirs.
enum Floor {
    /// Size of the messages that stand for a small call.
    static let messageSize = 64
    /// Size of the messages that stand for a large one.
    static let bulkSize = 1 << 20

    /// Sends back whatever comes, to any number of clients, until the process is killed.
    static func echoServer(port: UInt16 = 0, announce: (UInt16) -> Void) throws(SystemError) {
        var server = try FloorServer(port: port)
        announce(server.port)
        try server.run { connection in (connection, connection) }
    }

    /// Passes bytes on between its clients and the server at a port of this machine, with a connection of its own for each client, until the
    /// process is killed.
    static func relay(port: UInt16 = 0, to target: UInt16, announce: (UInt16) -> Void) throws(SystemError) {
        var server = try FloorServer(port: port)
        announce(server.port)
        try server.run { connection throws(SystemError) in (connection, try FloorSocket.connect(to: target)) }
    }
}

/// Sockets as the floor uses them: on the loopback, without Nagle's algorithm, not blocking.
enum FloorSocket {
    static func make() throws(SystemError) -> Int32 {
        let socket = tk_stream_socket(AF_INET)
        guard socket >= 0 else { throw failure("socket") }
        _ = tk_no_delay(socket)
        return socket
    }

    static func connect(to port: UInt16) throws(SystemError) -> Int32 {
        let socket = try make()
        guard withLoopback(port, { Glibc.connect(socket, $0, $1) }) == 0 || errno == EINPROGRESS else { throw failure("connect") }
        var ready = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        guard poll(&ready, 1, 5_000) == 1, tk_socket_error(socket) == 0 else { throw failure("connect") }
        return socket
    }

    static func listen(on port: UInt16) throws(SystemError) -> (socket: Int32, port: UInt16) {
        let socket = try make()
        _ = tk_reuse_address(socket)
        guard withLoopback(port, { bind(socket, $0, $1) }) == 0, Glibc.listen(socket, 1024) == 0 else { throw failure("listen") }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        guard result == 0 else { throw failure("getsockname") }
        return (socket, UInt16(bigEndian: address.sin_port))
    }

    static func failure(_ operation: String) -> SystemError { SystemError(number: errno, operation: operation) }

    private static func withLoopback<Result>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}
