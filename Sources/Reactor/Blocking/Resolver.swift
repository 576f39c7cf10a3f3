internal import Glibc

/// Host names to addresses, with the system's resolver (getaddrinfo(3), RFC 6724 order) on the blocking pool.
enum Resolver {
    /// - Throws: ``SystemError`` if the name does not resolve.
    static func addresses(of host: String, port: UInt16) async throws(SystemError) -> [SocketAddress] {
        if let literal = SocketAddress(literal: host, port: port) { return [literal] }
        return try await BlockingPool.shared.run { () throws(SystemError) in try lookUp(host, port: port) }
    }

    private static func lookUp(_ host: String, port: UInt16) throws(SystemError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        guard status == 0 else {
            if status == EAI_SYSTEM { throw SystemError(operation: "look up \(host)") }
            throw SystemError(operation: "look up \(host)", reason: gai_strerror(status).map { String(cString: $0) } ?? "unknown")
        }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            var storage = sockaddr_storage()
            guard let address = entry.pointee.ai_addr, Int(entry.pointee.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size else {
                continue
            }
            withUnsafeMutableBytes(of: &storage) {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(entry.pointee.ai_addrlen)))
            }
            if let address = SocketAddress(storage)?.with(port: port), !found.contains(address) { found.append(address) }
        }
        return found
    }
}
