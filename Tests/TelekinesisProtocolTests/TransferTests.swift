import Testing

@testable import TelekinesisProtocol

@Suite struct TransferTests {
    /// Moves a value through both ends, granting as the receiver says.
    static func carry(_ value: [UInt8], limit: Int = .max) throws -> (received: [UInt8], largestQueue: Int) {
        var outgoing = OutgoingTransfer(value, from: 0)
        var incoming = IncomingTransfer([], limit: limit)
        var queue: [ArraySlice<UInt8>] = []
        var largest = 0
        while true {
            while let next = outgoing.next() { queue.append(next.part) }
            largest = max(largest, queue.reduce(0) { $0 + $1.count })
            guard !queue.isEmpty else { return (incoming.bytes, largest) }
            let part = queue.removeFirst()
            let granted = try part.withUnsafeBytes { try incoming.append($0) }
            if granted > 0 { outgoing.grant(granted) }
        }
    }

    @Test(arguments: [1, 65_535, 65_536, 65_537, 1_048_576, 1_048_577, 5_000_000])
    func valueArrivesWhole(_ size: Int) throws {
        let value = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try Self.carry(value).received == value)
    }

    @Test func noMoreThanTheCreditIsEverUnderWay() throws {
        let result = try Self.carry([UInt8](repeating: 1, count: 20_000_000))
        #expect(result.largestQueue <= OutgoingTransfer.initialCredit)
        #expect(result.received.count == 20_000_000)
    }

    @Test func valueAboveTheLimitIsRefusedByName() {
        #expect {
            _ = try Self.carry([UInt8](repeating: 1, count: 300_000), limit: 200_000)
        } throws: { error in
            (error as? TelekinesisError)?.code == .tooLarge && "\(error)".contains("maximumValue")
        }
    }

    @Test func dataBeyondTheCreditIsAViolation() throws {
        var incoming = IncomingTransfer([], limit: .max)
        let part = [UInt8](repeating: 0, count: 64 * 1024)
        // Credit comes back as data is consumed: a sender that ignores it is caught when it runs ahead of what was granted.
        var total = 0
        var failed = false
        let huge = [UInt8](repeating: 0, count: OutgoingTransfer.initialCredit + 1)
        do { _ = try huge.withUnsafeBytes { try incoming.append($0) } } catch {
            failed = (error as? TelekinesisError)?.code == .protocolViolation
        }
        #expect(failed)
        for _ in 0..<8 { total += Int(try part.withUnsafeBytes { try incoming.append($0) }) }
        #expect(total == OutgoingTransfer.initialCredit / 2)
    }

    /// What a transfer whose first part is `head` grants for each part that comes but the last, where nobody asks, and what it holds at the end.
    static func receive(_ head: [UInt8], _ parts: [[UInt8]]) throws -> (grants: [UInt32], value: SplitBytes) {
        var incoming = IncomingTransfer(head, limit: .max)
        let grants = try parts.map { part in try part.withUnsafeBytes { try incoming.append($0) } }
        return (grants.dropLast(), incoming.value)
    }

    @Test func byteArrayThatWasAnnouncedComesByItselfAndNeedsNoGrant() throws {
        let parts = (0..<16).map { [UInt8](repeating: UInt8($0), count: 64 * 1024) }
        let head: [UInt8] = [9, 9, 0xc6, 0, 0x10, 0, 0]
        let (grants, value) = try Self.receive(head, parts)
        #expect(grants.allSatisfy { $0 == 0 })
        #expect(value.bytes == head)
        #expect(value.tail == Array(parts.joined()))
    }

    @Test func largerArrayIsGrantedUntilTheRestMayCome() throws {
        let parts = [[UInt8]](repeating: [UInt8](repeating: 1, count: 64 * 1024), count: 32)
        let (grants, value) = try Self.receive([0xc6, 0, 0x20, 0, 0], parts)
        // Half a MiB came, and with its grant 1 MiB may come; so again; what is left then was granted.
        let granted: [UInt32] = grants.filter { $0 > 0 }
        #expect(granted == [524_288, 524_288])
        #expect(value.tail?.count == 2 * 1024 * 1024)
    }

    @Test func whatOnlyLooksLikeAnAnnouncementIsPutTogether() throws {
        // More comes than was announced, and it is granted all the same.
        let parts = [[UInt8]](repeating: [UInt8](repeating: 1, count: 64 * 1024), count: 32)
        let head: [UInt8] = [7, 0xc6, 0, 0, 0, 200]
        let (grants, value) = try Self.receive(head, parts)
        let granted: UInt32 = grants.reduce(0, +)
        #expect(granted >= 1_048_576)
        #expect(value.tail == nil)
        #expect(value.bytes == head + parts.joined())
    }

    @Test func livenessAsksThenGivesUp() {
        var liveness = Liveness(interval: 15, limit: 30, now: 100)
        #expect(liveness.check(at: 110) == .wait(until: 115))
        #expect(liveness.check(at: 115) == .ping(until: 130))
        liveness.heard(at: 120)
        #expect(liveness.check(at: 130) == .wait(until: 135))
        #expect(liveness.check(at: 135) == .ping(until: 150))
        #expect(liveness.check(at: 150) == .dead)
        // Heard on another thread, after the time was read here.
        liveness.heard(at: 151)
        #expect(liveness.check(at: 150) == .wait(until: 166))
    }
}
