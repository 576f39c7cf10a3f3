import Testing

@testable import TelekinesisProtocol

@Suite struct ActorKeyTests {
    @Test func keysThatShareOneHalfHaveDifferentHashes() {
        let low = Set((0..<100).map { ActorKey(low: 7, high: $0).hashValue })
        let high = Set((0..<100).map { ActorKey(low: $0, high: 7).hashValue })
        #expect(low.count > 95 && high.count > 95)
    }

    @Test func keyIsNeverPrinted() {
        let key = ActorKey(low: 0x0123_4567_89ab_cdef, high: 0xfedc_ba98_7654_3210)
        for text in ["\(key)", String(describing: key)] { #expect(!text.contains("4567") && text.count <= 7) }
    }
}
