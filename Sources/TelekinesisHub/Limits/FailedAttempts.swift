internal import Reactor
internal import TelekinesisLink

/// Where a connection comes from, as far as it can be held responsible.
///
/// Of an IPv6 address the first half counts: the second is its owner's choice. Loopback is nobody's: it is everybody on this machine, and whatever a
/// proxy there lets through, and one of them could lock all others out.
struct PeerAddress: Hashable, Sendable {
    private let value: UInt64

    /// The address of a connection; `nil` for one that is not held responsible.
    ///
    /// - Parameter description: address and port, as a transport describes its other end.
    init?(_ description: String) {
        guard let colon = description.lastIndex(of: ":") else { return nil }
        let host = description[..<colon].filter { $0 != "[" && $0 != "]" }
        guard let address = SocketAddress(literal: host, port: 0), !address.isLoopback else { return nil }
        switch address {
        case .v4(let bits, _): value = UInt64(bits)
        // IPv4 within IPv6 (RFC 4291 §2.5.5.2). No other address begins with a zero half.
        case .v6(0, let low, _, _) where low >> 32 == 0xffff: value = low & 0xffff_ffff
        case .v6(let high, _, _, _): value = high
        }
    }
}

/// How often nodes at an address have failed to authenticate. Who fails too often has to wait. Pure: time is given.
///
/// Addresses are kept in two generations; when the younger one is full it becomes the older one, which is forgotten. So memory is bounded, however many
/// addresses somebody has, and an address that goes on failing is never forgotten.
struct FailedAttempts: Sendable {
    private let rate: Rate
    private let limit: Int
    private var young: [PeerAddress: TokenBucket] = [:]
    private var old: [PeerAddress: TokenBucket] = [:]
    /// Attempts whose outcome is not known yet.
    private var underWay: [PeerAddress: Int] = [:]

    /// - Parameters:
    ///   - rate: how often may be failed.
    ///   - limit: how many addresses a generation has.
    init(_ rate: Rate, limit: Int) {
        self.rate = rate
        self.limit = limit
    }

    /// How many addresses are known.
    var count: Int { young.count + old.count }

    /// What is to become of an attempt.
    enum Verdict {
        /// It goes on, and ``ended(_:hasFailed:now:)`` is called when its outcome is known.
        case goesOn
        /// Were those that are under way to fail, it would be one too many: it asks again when more is known of them.
        case waits
        /// The address has failed too often.
        case isRefused
    }

    /// Somebody at an address wants to try.
    ///
    /// - Parameter isKnown: whether it goes on in any case.
    mutating func begin(_ address: PeerAddress, isKnown: Bool = false, now: UInt64) -> Verdict {
        let others = underWay[address] ?? 0
        var bucket = young[address] ?? old[address] ?? TokenBucket(rate, now: now)
        if !isKnown {
            guard bucket.has(1, rate, now: now) else { return .isRefused }
            guard bucket.has(1 + others, rate, now: now) else { return .waits }
        }
        underWay[address] = others + 1
        return .goesOn
    }

    /// The outcome of an attempt is known.
    mutating func ended(_ address: PeerAddress, hasFailed: Bool, now: UInt64) {
        if let count = underWay[address] { underWay[address] = count == 1 ? nil : count - 1 }
        if hasFailed { note(address, now: now) }
    }

    private mutating func note(_ address: PeerAddress, now: UInt64) {
        var bucket = young[address] ?? old.removeValue(forKey: address) ?? TokenBucket(rate, now: now)
        bucket.charge(1, rate, now: now)
        young[address] = bucket
        if young.count >= limit {
            old = young
            young = [:]
        }
    }
}
