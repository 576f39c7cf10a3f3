import MessagePack
import Testing

@testable import TelekinesisProtocol

@Suite struct ContentDigestTests {
    @Test func textAndBytesAreTheSameDigest() throws {
        let bytes = (0..<32).map { UInt8($0 * 8) }
        let digest = try #require(ContentDigest(bytes))
        #expect(digest.description == "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8")
        #expect(ContentDigest(digest.description) == digest)
        #expect(try MessagePackDecoder().decode(ContentDigest.self, from: MessagePackEncoder().encode(digest)) == digest)
        #expect(digest.redacted == "00081018…")
    }

    @Test(arguments: [
        "", "00", String(repeating: "0", count: 63), String(repeating: "0", count: 65), String(repeating: "AB", count: 32), "../",
    ])
    func nothingElseIsADigest(_ text: String) throws {
        #expect(ContentDigest(text) == nil)
        let bytes = try MessagePackEncoder().encode(text)
        #expect(throws: DecodingError.self) { try MessagePackDecoder().decode(ContentDigest.self, from: bytes) }
    }
}
