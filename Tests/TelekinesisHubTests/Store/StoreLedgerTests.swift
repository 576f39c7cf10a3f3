import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Who holds what in the store, and how long it stays.
@Suite struct StoreLedgerTests {
    private static func digest(_ number: UInt8) -> ContentDigest {
        guard let digest = ContentDigest([UInt8](repeating: number, count: 32)) else { fatalError("32 bytes are a digest") }
        return digest
    }

    private static func ledger(_ change: (inout StoreLimits) -> Void = { _ in }) -> StoreLedger {
        var limits = StoreLimits()
        limits.linger = .seconds(100)
        change(&limits)
        return StoreLedger(limits: limits)
    }

    private static let second: UInt64 = 1_000_000_000

    @Test func contentLivesWhileItIsHeldAndLingersAfterThat() throws {
        var ledger = Self.ledger()
        let digest = Self.digest(1)
        try ledger.reserve(10, for: 1)
        _ = ledger.complete(digest, size: 10, file: 7, for: 1, now: 0)
        let item = try ledger.hold(digest, by: 2, now: 0)
        #expect(item?.size == 10)
        ledger.release(digest, by: 1, now: 50 * Self.second)
        let early = ledger.sweep(now: 1_000 * Self.second)
        ledger.release(digest, by: 2, now: 1_000 * Self.second)
        let later = ledger.sweep(now: 1_099 * Self.second)
        #expect(early.isEmpty && later.isEmpty)
        let swept = ledger.sweep(now: 1_100 * Self.second)
        #expect(swept.map(\.file) == [7])
        #expect(ledger.isEmpty)
    }

    @Test func eachHoldIsTakenBackOnceAndNobodyElsesWithIt() throws {
        var ledger = Self.ledger()
        let digest = Self.digest(1)
        try ledger.reserve(10, for: 1)
        _ = ledger.complete(digest, size: 10, file: 7, for: 1, now: 0)
        _ = try ledger.hold(digest, by: 1, now: 0)
        // Releases of others and of what is not held change nothing.
        ledger.release(digest, by: 2, now: 0)
        ledger.release(Self.digest(2), by: 1, now: 0)
        ledger.release(digest, by: 1, now: 0)
        #expect(ledger.held(digest, by: 1) != nil)
        ledger.release(digest, by: 1, now: 0)
        ledger.release(digest, by: 1, now: 0)
        #expect(ledger.held(digest, by: 1) == nil && ledger[digest]?.holds == 0)
    }

    @Test func theEndOfASessionFreesWhatItHeldAndItsCharge() throws {
        var ledger = Self.ledger { $0.sessionBytes = 10 }
        try ledger.reserve(10, for: 1)
        _ = ledger.complete(Self.digest(1), size: 10, file: 7, for: 1, now: 0)
        let error = #expect(throws: TelekinesisError.self) { try ledger.reserve(1, for: 1) }
        #expect(error?.code == .storeFull)
        // Released is not removed: it stays charged to whoever stored it.
        ledger.release(Self.digest(1), by: 1, now: 0)
        #expect(throws: TelekinesisError.self) { try ledger.reserve(1, for: 1) }
        ledger.end(1, now: 0)
        try ledger.reserve(10, for: 2)
        ledger.abandon(10, for: 2)
        _ = ledger.sweep(now: 100 * Self.second)
        #expect(ledger.isEmpty)
    }

    @Test func whatASessionStoresCountsAsHeldFromTheBeginning() throws {
        var ledger = Self.ledger { $0.heldPerSession = 3 }
        try ledger.reserve(10, for: 9)
        _ = ledger.complete(Self.digest(9), size: 10, file: 9, for: 9, now: 0)
        try ledger.reserve(10, for: 1)
        try ledger.reserve(10, for: 1)
        _ = ledger.complete(Self.digest(1), size: 10, file: 1, for: 1, now: 0)
        _ = try ledger.hold(Self.digest(9), by: 1, now: 0)
        let error = #expect(throws: TelekinesisError.self) { try ledger.reserve(10, for: 1) }
        #expect(error?.code == .overloaded)
        // There is room for what was begun.
        _ = ledger.complete(Self.digest(2), size: 10, file: 2, for: 1, now: 0)
        _ = try ledger.hold(Self.digest(9), by: 1, now: 0)
        // What was let go of is still there, and charged to who has stored it.
        for number in 1...2 { ledger.release(Self.digest(UInt8(number)), by: 1, now: 0) }
        try ledger.reserve(10, for: 1)
        _ = ledger.complete(Self.digest(3), size: 10, file: 3, for: 1, now: 0)
        let full = #expect(throws: TelekinesisError.self) { try ledger.reserve(10, for: 1) }
        #expect(full?.code == .storeFull && full?.message.contains("in 3 values") == true)
        _ = ledger.sweep(now: 100 * Self.second)
        try ledger.reserve(10, for: 1)
    }

    @Test func whatTwoStoreAtOnceIsThereOnce() throws {
        var ledger = Self.ledger()
        try ledger.reserve(10, for: 1)
        try ledger.reserve(10, for: 2)
        #expect(ledger.bytes == 20)
        let isFirst = ledger.complete(Self.digest(1), size: 10, file: 7, for: 1, now: 0)
        let isSecond = ledger.complete(Self.digest(1), size: 10, file: 8, for: 2, now: 0)
        #expect(isFirst && !isSecond)
        #expect(ledger.bytes == 10 && ledger[Self.digest(1)]?.holds == 2 && ledger[Self.digest(1)]?.file == 7)
        ledger.end(1, now: 0)
        ledger.end(2, now: 0)
        _ = ledger.sweep(now: 100 * Self.second)
        #expect(ledger.isEmpty)
    }

    @Test func whatIsLostIsNobodysAndCanBeStoredAnew() throws {
        var ledger = Self.ledger()
        try ledger.reserve(10, for: 1)
        _ = ledger.complete(Self.digest(1), size: 10, file: 7, for: 1, now: 0)
        _ = try ledger.hold(Self.digest(1), by: 2, now: 0)
        ledger.lose(Self.digest(1), file: 6)
        #expect(ledger[Self.digest(1)] != nil)
        ledger.lose(Self.digest(1), file: 7)
        #expect(ledger.isEmpty)
        try ledger.reserve(10, for: 2)
        _ = ledger.complete(Self.digest(1), size: 10, file: 9, for: 2, now: 0)
        // A hold of what was lost says nothing of what came after it.
        ledger.release(Self.digest(1), by: 1, now: 0)
        #expect(ledger[Self.digest(1)]?.holds == 1)
    }

    @Test func countsOfEverythingEndAtZero() throws {
        var generator = SystemRandomNumberGenerator()
        var ledger = Self.ledger { limits in
            limits.sessionBytes = 200
            limits.totalBytes = 600
            limits.uploadsPerSession = 3
        }
        var uploads: [(ContentDigest, Int, UInt64)] = []
        for step in 0..<20_000 {
            let account = UInt64.random(in: 1...8, using: &generator)
            let number = UInt8.random(in: 0..<20, using: &generator)
            let (digest, size, now) = (Self.digest(number), Int(number) + 1, UInt64(step) * Self.second)
            switch Int.random(in: 0..<7, using: &generator) {
            case 0: if (try? ledger.reserve(size, for: account)) != nil { uploads.append((digest, size, account)) }
            case 1:
                if let (digest, size, account) = uploads.popLast() {
                    _ = ledger.complete(digest, size: size, file: UInt64(step), for: account, now: now)
                }
            case 2: if let (_, size, account) = uploads.popLast() { ledger.abandon(size, for: account) }
            case 3: _ = try? ledger.hold(digest, by: account, now: now)
            case 4: ledger.release(digest, by: account, now: now)
            case 5: _ = ledger.sweep(now: now)
            default:
                if Bool.random(using: &generator) { if let file = ledger[digest]?.file { ledger.lose(digest, file: file) } }
                for (_, size, owner) in uploads where owner == account { ledger.abandon(size, for: owner) }
                uploads.removeAll { $0.2 == account }
                ledger.end(account, now: now)
            }
            #expect(ledger.bytes <= 600 && ledger.bytes >= 0)
        }
        for (_, size, account) in uploads { ledger.abandon(size, for: account) }
        for account in 1...8 { ledger.end(UInt64(account), now: 20_000 * Self.second) }
        _ = ledger.sweep(now: 30_000 * Self.second)
        #expect(ledger.isEmpty)
    }
}
