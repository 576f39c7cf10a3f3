import Foundation
import JSONText
import Testing

/// The files of [JSONTestSuite](https://github.com/nst/JSONTestSuite) (MIT), where `JSON_TEST_SUITE` names its `test_parsing` folder.
/// They are not part of this project: `GrammarTests` states the same behaviour without them.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["JSON_TEST_SUITE"] != nil))
struct PublicSuiteTests {
    @Test func everyFileIsAcceptedOrRefusedAsItsNameSays() throws {
        let folder = URL(fileURLWithPath: try #require(ProcessInfo.processInfo.environment["JSON_TEST_SUITE"]))
        var counts: [Character: Int] = [:]
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            guard let verdict = file.lastPathComponent.first else { continue }
            let text = Array(try Data(contentsOf: file))
            let packed = try? JSONText.toMessagePack(text)
            #expect((packed != nil) == ((try? JSONText.validate(text)) != nil))
            switch verdict {
            case "y":
                let back = try JSONText.fromMessagePack(#require(packed, "\(file.lastPathComponent)"))
                #expect(try JSONText.toMessagePack(back) == packed)
            case "n": #expect(packed == nil, "\(file.lastPathComponent)")
            default: break
            }
            counts[verdict, default: 0] += 1
        }
        #expect(counts == ["y": 95, "n": 188, "i": 35])
    }
}
