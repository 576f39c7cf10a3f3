internal import CSystem
internal import Glibc
internal import Reactor

/// The other end of the floor: an epoll loop that sends and waits.
struct FloorClient: ~Copyable {
    private let socket: Int32
    private let epoll: Int32
    private let output: UnsafeMutableRawBufferPointer
    private let input: UnsafeMutableRawBufferPointer

    init(port: UInt16) throws(SystemError) {
        socket = try FloorSocket.connect(to: port)
        epoll = tk_epoll_create()
        output = .allocate(byteCount: Floor.bulkSize, alignment: 4096)
        input = .allocate(byteCount: 256 * 1024, alignment: 4096)
        output.initializeMemory(as: UInt8.self, repeating: 42)
        _ = tk_epoll_control(epoll, EPOLL_CTL_ADD, socket, tk_epoll_in() | tk_epoll_out() | tk_epoll_edge(), 0)
    }

    deinit {
        close(socket)
        close(epoll)
        output.deallocate()
        input.deallocate()
    }

    /// Sends `size` bytes and waits for as many.
    mutating func exchange(_ size: Int) throws(SystemError) {
        var sent = try send(UnsafeRawBufferPointer(rebasing: output[..<size]))
        var received = 0
        while received < size {
            try wait()
            received += try receive()
            if sent < size { sent += try send(UnsafeRawBufferPointer(rebasing: output[sent..<size])) }
        }
    }

    private func wait() throws(SystemError) {
        var event = epoll_event()
        if epoll_wait(epoll, &event, 1, -1) < 0, errno != EINTR { throw FloorSocket.failure("epoll_wait") }
    }

    private func send(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        let count = tk_send(socket, bytes.baseAddress, bytes.count)
        if count < 0, errno != EAGAIN { throw FloorSocket.failure("send") }
        return max(0, count)
    }

    /// Reads what is there; 0 if nothing is.
    private func receive() throws(SystemError) -> Int {
        var total = 0
        while true {
            let count = read(socket, input.baseAddress, input.count)
            if count == 0 { throw SystemError(number: ECONNRESET, operation: "read") }
            if count < 0 {
                if errno != EAGAIN { throw FloorSocket.failure("read") }
                return total
            }
            total += count
            if count < input.count { return total }
        }
    }
}
