import TelekinesisProtocol
import Testing

@testable import Telekinesis

@Suite struct CallMetadataSizeTests {
    @Test func theFirstFrameHasRoomForAllThatComesInFrontOfTheArguments() {
        let table = ReferenceTable.bytes((0..<ReferenceTable.maximumCount).map { _ in (node: .random(), key: .random()) })
        #expect(16 + 4 + CallMetadata.maximumBytes + table.count + CallBody.fixedSize <= FrameHead.maximumBody)
    }
}
