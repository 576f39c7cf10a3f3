import MessagePack
import TelekinesisProtocol
import Testing

@testable import Telekinesis

@Suite struct GivenArgumentsTests {
    @Test(arguments: [Encoding.json, .words]) func moreArgumentsThanAMethodCanHaveAreNotCollected(_ encoding: Encoding) throws {
        func read(_ count: Int) throws -> Int {
            var body = [UInt8](repeating: 0, count: CallBody.fixedSize)
            body.withUnsafeMutableBytes {
                CallBody.writeFixed($0, selector: 1, signature: 0, encoding: encoding, argumentCount: 0)
            }
            body +=
                encoding == .json
                ? Array("[\(Array(repeating: "1", count: count).joined(separator: ","))]".utf8)
                : try MessagePackEncoder().encode(Array(repeating: "1", count: count))
            return try GivenArguments(head: CallBody(parsing: body, flags: []), body: body, nameFirst: false).labels.count
        }
        #expect(try read(255) == 255)
        let error = try #require(throws: TelekinesisError.self) { try read(256) }
        #expect(error.code == .badArguments && error.message.contains("255"))
    }
}
