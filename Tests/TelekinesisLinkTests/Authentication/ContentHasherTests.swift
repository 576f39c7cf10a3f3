import TelekinesisProtocol
import Testing

@testable import TelekinesisLink

@Suite struct ContentHasherTests {
    /// FIPS 180-2, appendix B, and the digest of nothing.
    @Test func digestsAreThoseOfTheStandard() throws {
        let vectors = [
            "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ]
        for (text, digest) in vectors { #expect(try ContentHasher.digest(of: Array(text.utf8)).description == digest) }
    }

    @Test func piecesMakeTheSameDigestAsTheWhole() throws {
        let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        var hasher = try ContentHasher()
        for start in stride(from: 0, to: content.count, by: 777) {
            content[start..<min(start + 777, content.count)].withUnsafeBytes { hasher.update($0) }
        }
        #expect(try hasher.finish() == ContentHasher.digest(of: content))
    }
}
