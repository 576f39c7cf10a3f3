import Foundation
import Testing

@testable import Telekinesis

/// What a node shows a hub that wants to know who it is.
@Suite struct CredentialTests {
    @Test func theSecretOfTheEnvironmentHoldsUnlessOthersAreGiven() throws {
        let path = NSTemporaryDirectory() + "telekinesis-secret-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("correct horse battery staple".utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        var configuration = NodeConfiguration()
        #expect(try configuration.completed(secretFile: nil).credentials == nil)
        configuration.maximumValue = 1
        #expect(try configuration.completed(secretFile: path).credentials?.map(\.method) == ["secret"])
        configuration.credentials = [OpenAccess()]
        #expect(try configuration.completed(secretFile: path).credentials?.map(\.method) == ["open"])
    }
}
