internal import Glibc
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Issues and checks the tickets with which a node comes back under its id, even to another hub process that has the same key.
///
/// ```text
///  0  u8   version: 1
///  1  u64  node id
///  9  u64  generation
/// 17  u64  expiry, seconds since 1970
/// 25  u8   length of the principal's name, then the name
///  …  32   HMAC-SHA256 of all before, under the hub's key
/// ```
struct TicketOffice: Sendable {
    /// Seconds for which a ticket is good.
    static let lifetime: UInt64 = 24 * 60 * 60
    private static let fixedSize = 26

    private let key: [UInt8]
    /// Seconds since 1970.
    private let now: @Sendable () -> UInt64

    init(key: [UInt8], now: @escaping @Sendable () -> UInt64 = { UInt64(max(0, time(nil))) }) {
        self.key = key
        self.now = now
    }

    /// A ticket; `nil` for a principal whose name is too long for one.
    func issue(_ node: NodeID, _ principal: Principal, generation: UInt64) -> [UInt8]? {
        let name = Array(principal.name.utf8)
        guard name.count <= 255 else { return nil }
        var ticket: [UInt8] = [1]
        for word in [node.rawValue, generation, now() + Self.lifetime] {
            withUnsafeBytes(of: word.littleEndian) { ticket += $0 }
        }
        ticket.append(UInt8(name.count))
        ticket += name
        guard let code = try? MessageAuthentication.code(of: ticket, key: key) else { return nil }
        return ticket + code
    }

    /// Whose ticket it is; `nil` for one that is forged, expired, or another principal's.
    func check(_ ticket: [UInt8], _ principal: Principal) -> (NodeID, generation: UInt64)? {
        guard let ticket = read(ticket), ticket.principal == Array(principal.name.utf8) else { return nil }
        return (ticket.node, ticket.generation)
    }

    /// Whether a ticket is good, whosesoever it is.
    func isGenuine(_ ticket: [UInt8]) -> Bool { read(ticket) != nil }

    private func read(_ ticket: [UInt8]) -> (node: NodeID, generation: UInt64, principal: [UInt8])? {
        let size = ticket.count - MessageAuthentication.codeSize
        guard size >= Self.fixedSize, ticket[0] == 1, size == Self.fixedSize + Int(ticket[25]),
            let code = try? MessageAuthentication.code(of: [UInt8](ticket[..<size]), key: key),
            MessageAuthentication.areEqual(code, [UInt8](ticket[size...]))
        else { return nil }
        let (node, generation, expiry) = ticket.withUnsafeBytes { bytes in
            let word = { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self)) }
            return (word(1), word(9), word(17))
        }
        guard now() < expiry, node != 0, generation < .max else { return nil }
        return (NodeID(rawValue: node), generation, [UInt8](ticket[Self.fixedSize..<size]))
    }
}
