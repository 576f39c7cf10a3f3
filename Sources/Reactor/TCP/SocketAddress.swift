internal import Glibc

/// An IP address and port.
public enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// IPv4: the address as a number, and the port.
    case v4(UInt32, port: UInt16)
    /// IPv6: the address in two halves, the port, and the zone of a link-local address.
    case v6(UInt64, UInt64, port: UInt16, zone: UInt32)

    /// Reads an address literal such as `127.0.0.1` or `::1`; nil if `host` is not one.
    public init?(literal host: String, port: UInt16) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, host, &v4) == 1 {
            self = .v4(UInt32(bigEndian: v4.s_addr), port: port)
        } else if inet_pton(AF_INET6, host, &v6) == 1 {
            self = Self.v6(v6, port: port, zone: 0)
        } else {
            return nil
        }
    }

    /// The port.
    public var port: UInt16 {
        switch self {
        case .v4(_, let port), .v6(_, _, let port, _): port
        }
    }

    /// Whether only processes of the same machine can reach it.
    public var isLoopback: Bool {
        switch self {
        case .v4(let address, _): address >> 24 == 127
        case .v6(let high, let low, _, _): high == 0 && (low == 1 || low >> 24 == 0xffff_7f)
        }
    }

    /// Whether it stands for every address of the machine.
    public var isUnspecified: Bool {
        switch self {
        case .v4(let address, _): address == 0
        case .v6(let high, let low, _, _): high == 0 && low == 0
        }
    }

    /// For example `127.0.0.1:3388` or `[::1]:3388`.
    public var description: String {
        switch self {
        case .v4(_, let port): "\(host):\(port)"
        case .v6(_, _, let port, _): "[\(host)]:\(port)"
        }
    }

    /// The address without the port.
    public var host: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch self {
        case .v4(let address, _):
            var v4 = in_addr(s_addr: address.bigEndian)
            _ = inet_ntop(AF_INET, &v4, &text, socklen_t(text.count))
        case .v6(let high, let low, _, _):
            var v6 = Self.in6(high, low)
            _ = inet_ntop(AF_INET6, &v6, &text, socklen_t(text.count))
        }
        return text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }
}

// MARK: - As the system has it

extension SocketAddress {
    var family: Int32 {
        switch self {
        case .v4: AF_INET
        case .v6: AF_INET6
        }
    }

    func with(port: UInt16) -> SocketAddress {
        switch self {
        case .v4(let address, _): .v4(address, port: port)
        case .v6(let high, let low, _, let zone): .v6(high, low, port: port, zone: zone)
        }
    }

    /// Reads what the system filled in; nil if the family is neither IPv4 nor IPv6.
    init?(_ storage: sockaddr_storage) {
        let family = Int32(storage.ss_family)
        let address: SocketAddress? = withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET:
                let v4 = bytes.loadUnaligned(as: sockaddr_in.self)
                return .v4(UInt32(bigEndian: v4.sin_addr.s_addr), port: UInt16(bigEndian: v4.sin_port))
            case AF_INET6:
                let v6 = bytes.loadUnaligned(as: sockaddr_in6.self)
                return Self.v6(v6.sin6_addr, port: UInt16(bigEndian: v6.sin6_port), zone: v6.sin6_scope_id)
            default:
                return nil
            }
        }
        guard let address else { return nil }
        self = address
    }

    /// Calls `body` with the form that `connect` and `bind` take.
    func withSystemAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch self {
        case .v4(let address, let port):
            var v4 = sockaddr_in()
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = port.bigEndian
            v4.sin_addr.s_addr = address.bigEndian
            return withUnsafePointer(to: &v4) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
        case .v6(let high, let low, let port, let zone):
            var v6 = sockaddr_in6()
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = port.bigEndian
            v6.sin6_addr = Self.in6(high, low)
            v6.sin6_scope_id = zone
            return withUnsafePointer(to: &v6) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
            }
        }
    }

    /// The address of a socket's own end.
    static func ofSocket(_ descriptor: Int32) -> SocketAddress? {
        reading { getsockname(descriptor, $0, $1) == 0 }
    }

    /// The address that a call such as `accept` fills in; nil if it fails.
    static func reading(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Bool) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isFilled = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
        return isFilled ? SocketAddress(storage) : nil
    }

    private static func v6(_ address: in6_addr, port: UInt16, zone: UInt32) -> SocketAddress {
        withUnsafeBytes(of: address) { bytes in
            .v6(
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)), port: port, zone: zone)
        }
    }

    private static func in6(_ high: UInt64, _ low: UInt64) -> in6_addr {
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) { bytes in
            bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return address
    }
}
