import Foundation
import TelekinesisProtocol
import Testing

@testable import TelekinesisLink

@Suite struct SharedSecretTests {
    @Test func codeIsThatOfTheStandard() throws {
        // RFC 4231 §4.3, test case 2.
        let code = try MessageAuthentication.code(of: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        #expect(code.map { String(format: "%02x", $0) }.joined() == expected)
    }

    @Test func bothEndsProveTheSecretToEachOther() throws {
        let (hub, node) = (try SharedSecret(Array("0123456789abcdef".utf8)), try SharedSecret(Array("0123456789abcdef".utf8)))
        let challenge = Challenge(node: [UInt8](repeating: 1, count: 32), hub: [UInt8](repeating: 2, count: 32))
        let authenticated = try hub.authenticate(node.proof(for: challenge), for: challenge)
        try node.check(hubProof: authenticated.hubProof, for: challenge)
        let impostor = try SharedSecret(Array("fedcba9876543210".utf8))
        let error = #expect(throws: TelekinesisError.self) {
            try node.check(hubProof: impostor.authenticate(impostor.proof(for: challenge), for: challenge).hubProof, for: challenge)
        }
        #expect(error?.code == .unauthenticated)
    }

    @Test func proofsAreThoseOfTheDocument() throws {
        var root = URL(filePath: #filePath)
        for _ in 0..<4 { root = root.deletingLastPathComponent() }
        let text = try String(contentsOf: root.appending(path: "Design/protocol.md"), encoding: .utf8)
        let after = try #require(text.components(separatedBy: "<!-- example: proofs -->\n```text\n").dropFirst().first)
        let documented = try #require(after.components(separatedBy: "```").first).split(whereSeparator: \.isWhitespace)
        let secret = try SharedSecret(Array("0123456789abcdef".utf8))
        let challenge = Challenge(node: [UInt8](repeating: 1, count: 16), hub: [UInt8](repeating: 2, count: 16))
        let proof = try secret.proof(for: challenge)
        let bytes = try proof + secret.authenticate(proof, for: challenge).hubProof
        #expect(bytes.map { String(format: "%02x", $0) } == documented.map(String.init))
    }

    @Test func shortSecretIsRefused() {
        let error = #expect(throws: TelekinesisError.self) { try SharedSecret(Array("short".utf8)) }
        #expect(error?.code == .invalidUse && error?.message.contains("16 bytes") == true)
    }

    @Test func secretIsNeverPrinted() throws {
        let secret = try SharedSecret(Array("do not print this secret".utf8))
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), dumped] { #expect(!text.contains("100") && !text.contains("print")) }
    }

    @Test func fileIsTrimmedAndMustBePrivate() throws {
        let path = NSTemporaryDirectory() + "telekinesis-secret-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(" \tcorrect horse battery staple\r\n\n".utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
        let open = #expect(throws: TelekinesisError.self) { try SharedSecret(file: path) }
        #expect(open?.message.contains("chmod 600") == true)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let challenge = Challenge(node: [1], hub: [2])
        let same = try SharedSecret(Array("correct horse battery staple".utf8))
        #expect(try SharedSecret(file: path).proof(for: challenge) == same.proof(for: challenge))
        let absent = #expect(throws: TelekinesisError.self) { try SharedSecret(file: path + "-absent") }
        #expect(absent?.code == .invalidUse && absent?.message.contains("No such file") == true)
        #expect(throws: TelekinesisError.self) { try SharedSecret(file: NSTemporaryDirectory()) }
    }
}
