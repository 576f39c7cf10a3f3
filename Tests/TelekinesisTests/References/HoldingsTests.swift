@testable import Telekinesis
import TelekinesisProtocol
import Testing

/// Who holds what, and who pays for it.
@Suite struct HoldingsTests {
    private let ann = NodeID(rawValue: 1), bob = NodeID(rawValue: 2), cara = NodeID(rawValue: 3)
    private let key = ActorKey.random()
    private let limit = 10

    @Test func anObjectIsHeldUntilAsManyAreGivenBackAsWereGiven() throws {
        var holdings = Holdings()
        #expect(try holdings.give(key, to: ann, limit: limit) == .held)
        #expect(try holdings.give(key, to: ann, limit: limit) == .none)
        #expect(holdings.take(key, from: ann, count: 1, limit: limit) == .none)
        #expect(holdings.holds(key, ann))
        #expect(holdings.take(key, from: ann, count: 1, limit: limit) == .freed)
        #expect(holdings.isEmpty)
    }

    @Test func whatIsGivenBackBeforeItWasGivenIsNotHeld() throws {
        var holdings = Holdings()
        #expect(holdings.take(key, from: ann, count: 1, limit: limit) == .none)
        #expect(!holdings.holds(key, ann))
        #expect(try holdings.give(key, to: ann, by: bob, limit: limit) == .none)
        #expect(holdings.isEmpty)
    }

    @Test func whoGivesNothingBackOwesNothing() throws {
        var holdings = Holdings()
        #expect(holdings.take(key, from: ann, count: 0, limit: limit) == .none)
        #expect(holdings.isEmpty)
        _ = try holdings.give(key, to: ann, by: bob, limit: limit)
        #expect(holdings.take(key, from: ann, count: 0, limit: limit) == .none)
        #expect(holdings.holds(key, ann) && holdings.charged(to: bob) == 1)
    }

    @Test func aResultThatWasNeverThereIsNotOwed() throws {
        var holdings = Holdings()
        #expect(holdings.take(key, from: ann, count: 1, mayComeEarly: false, limit: limit) == .none)
        #expect(holdings.isEmpty)
        #expect(try holdings.give(key, to: ann, limit: limit) == .held)
        #expect(holdings.take(key, from: ann, count: 1, mayComeEarly: false, limit: limit) == .freed)
        #expect(holdings.isEmpty)
    }

    @Test func aGiverPaysUntilTheHolderUsesWhatItGot() throws {
        var holdings = Holdings()
        _ = try holdings.give(key, to: ann, by: bob, limit: limit)
        #expect(holdings.charged(to: bob) == 1 && holdings.charged(to: ann) == 0 && holdings.unclaimed == 1)
        holdings.claim(key, by: ann)
        #expect(holdings.charged(to: bob) == 0 && holdings.charged(to: ann) == 1 && holdings.unclaimed == 0)
    }

    @Test func nobodyIsGivenMoreThanItMayHold() throws {
        var holdings = Holdings()
        for _ in 0..<limit { _ = try holdings.give(.random(), to: ann, limit: limit) }
        #expect(throws: TelekinesisError.self) { try holdings.give(key, to: ann, limit: limit) }
        #expect(try holdings.give(key, to: bob, limit: limit) == .held)
    }

    @Test func aGiverCannotFillTheShareOfTheOneItGivesTo() throws {
        var holdings = Holdings()
        for _ in 0..<limit { _ = try holdings.give(.random(), to: ann, by: bob, limit: limit) }
        #expect(throws: TelekinesisError.self) { try holdings.give(key, to: ann, by: bob, limit: limit) }
        #expect(try holdings.give(key, to: ann, limit: limit) == .held)
    }

    @Test func aNodeCannotOweMoreThanItMayHold() {
        var holdings = Holdings()
        for _ in 0..<100 { _ = holdings.take(.random(), from: ann, count: 1, limit: limit) }
        #expect(holdings.count == limit)
    }

    @Test func aDebtIsForgottenAtTheSecondLook() throws {
        var holdings = Holdings()
        _ = holdings.take(key, from: ann, count: 2, limit: limit)
        holdings.forgetOldDebts()
        #expect(holdings.hasDebts && holdings.count == 1)
        // One that was settled meanwhile, and came to be held, stays.
        let other = ActorKey.random()
        _ = holdings.take(other, from: ann, count: 1, limit: limit)
        #expect(try holdings.give(other, to: ann, limit: limit) == .none)
        #expect(try holdings.give(other, to: ann, limit: limit) == .held)
        holdings.forgetOldDebts()
        holdings.forgetOldDebts()
        #expect(!holdings.holds(key, ann) && holdings.holds(other, ann) && holdings.count == 1 && !holdings.hasDebts)
        _ = holdings.take(other, from: ann, count: 1, limit: limit)
        #expect(holdings.isEmpty)
    }

    @Test func whatAVanishedNodeHeldIsFree() throws {
        var holdings = Holdings()
        _ = try holdings.give(key, to: ann, limit: limit)
        _ = try holdings.give(key, to: bob, by: ann, limit: limit)
        #expect(holdings.removeAll(of: ann, limit: limit) == [key])
        #expect(holdings.holds(key, bob))
        #expect(holdings.removeAll(of: bob, limit: limit) == [key])
        #expect(holdings.isEmpty)
    }

    /// Of many givers, each of which has gone, no more is left than one may pay for.
    @Test func whatVanishedGiversLeftBehindIsBounded() throws {
        var holdings = Holdings()
        var freed = 0
        for stranger in 100..<110 as Range<UInt64> {
            let stranger = NodeID(rawValue: stranger)
            for _ in 0..<limit { _ = try holdings.give(.random(), to: ann, by: stranger, limit: limit) }
            freed += holdings.removeAll(of: stranger, limit: limit).count
            #expect(holdings.charged(to: stranger) == 0)
        }
        #expect(holdings.count == limit && holdings.unclaimed == limit && freed == 9 * limit)
        #expect(holdings.charged(to: ann) == 0)
        // Room comes with their use, and with their end.
        _ = try holdings.give(key, to: ann, by: bob, limit: limit)
        holdings.claim(key, by: ann)
        #expect(holdings.removeAll(of: bob, limit: limit) == [] && holdings.holds(key, ann))
        #expect(holdings.removeAll(of: ann, limit: limit).count == limit + 1)
        #expect(holdings.isEmpty)
    }

    @Test func whatAVanishedGiverHandedOverIsUsedAllTheSame() throws {
        var holdings = Holdings()
        _ = try holdings.give(key, to: ann, by: bob, limit: limit)
        #expect(holdings.removeAll(of: bob, limit: limit) == [])
        holdings.claim(key, by: ann)
        #expect(holdings.charged(to: ann) == 1 && holdings.unclaimed == 0)
        #expect(holdings.take(key, from: ann, count: 1, limit: limit) == .freed)
        #expect(holdings.isEmpty)
    }

    @Test func whatWasGivenByItsOwnerAsWellStaysWhenTheGiverVanishes() throws {
        var holdings = Holdings()
        _ = try holdings.give(key, to: ann, by: bob, limit: 1)
        _ = try holdings.give(key, to: ann, limit: 1)
        #expect(holdings.charged(to: ann) == 1 && holdings.charged(to: bob) == 0)
        #expect(holdings.removeAll(of: bob, limit: 0) == [] && holdings.holds(key, ann))
    }

    @Test func nothingIsLeftWhenEverybodyHasGone() throws {
        var holdings = Holdings()
        _ = try holdings.give(key, to: ann, by: bob, limit: limit)
        _ = try holdings.give(key, to: cara, limit: limit)
        _ = holdings.take(.random(), from: cara, count: 1, limit: limit)
        #expect(holdings.removeAll() == [key, key])
        #expect(holdings.isEmpty)
    }
}
