import Testing

@testable import TelekinesisProtocol

@Suite struct PairTableTests {
    @Test func valuesAreFoundByBothParts() {
        var table = PairTable<Int>()
        table[PairKey(1, 2)] = 12
        table[PairKey(2, 1)] = 21
        table[PairKey(1, 2)] = 13
        #expect(table[PairKey(1, 2)] == 13 && table[PairKey(2, 1)] == 21 && table[PairKey(1, 1)] == nil && table.count == 2)
        #expect(table.remove(PairKey(1, 2)) == 13)
        #expect(table.remove(PairKey(1, 2)) == nil && table.count == 1)
    }

    /// Callers choose the keys of their instances: one that took another's place would leave that one's calls without an answer.
    @Test func pairsThatDifferInTheirHighestBitsDoNotMeet() {
        let known = PairKey(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)
        for shift in 60...63 {
            for other in (0..<16 as Range<UInt64>).map({ PairKey(known.first ^ $0 << 60, known.second ^ 1 << UInt64(shift)) }) {
                var table = PairTable<Int>()
                table[known] = 1
                table[other] = 2
                #expect(table[known] == 1 && table[other] == 2)
            }
        }
    }
}
