import TelekinesisProtocol
import Testing

@testable import TelekinesisLink

@Suite struct OutboxTests {
    let first = OutgoingMessage(bytes: [1, 2, 3], start: 0)
    let second = OutgoingMessage(bytes: [4], start: 0)

    @Test func oneWriterAtATime() {
        var outbox = Outbox()
        #expect(outbox.beginWriting() == true)
        #expect(outbox.beginWriting() == false)
        #expect(outbox.next() == nil)
        #expect(outbox.beginWriting() == true)
    }

    @Test func restGoesFirstAndACloseLast() {
        var outbox = Outbox()
        #expect(outbox.beginWriting() == true)
        outbox.addClose([8])
        outbox.addPong([9])
        outbox.addPong([10])
        outbox.add([second])
        #expect(outbox.fellShort([first]) == nil)
        #expect(outbox.beginWriting() == false)
        #expect(outbox.becameWritable() == true)
        var order: [[UInt8]] = []
        while let next = outbox.next() { order += next.map(\.bytes) }
        #expect(order == [[1, 2, 3], [4], [10], [8]])
        #expect(outbox.next() == nil)
    }

    @Test func writerThatFallsShortWhileTheConnectionEmptiesGoesOn() {
        var outbox = Outbox()
        #expect(outbox.beginWriting() == true)
        #expect(outbox.becameWritable() == false)
        #expect(outbox.fellShort([first]) == [first])
        #expect(outbox.fellShort([first]) == nil)
        #expect(outbox.becameWritable() == true)
    }

    @Test func newsOfSpaceThatNobodyWaitsForStartsNoWriter() {
        var outbox = Outbox()
        #expect(outbox.becameWritable() == false)
        #expect(outbox.beginWriting() == true)
    }
}
