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

    @Test func livenessAsksThenGivesUp() {
        var liveness = Liveness(interval: 15, limit: 30, now: 100)
        #expect(liveness.check(at: 110) == .wait(until: 115))
        #expect(liveness.check(at: 115) == .ping(until: 130))
        liveness.heard(at: 120)
        #expect(liveness.check(at: 130) == .wait(until: 135))
        #expect(liveness.check(at: 135) == .ping(until: 150))
        #expect(liveness.check(at: 150) == .dead)
    }
}
