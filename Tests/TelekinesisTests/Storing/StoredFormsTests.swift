import MessagePack
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Finding stored values in a message without knowing its types.
@Suite struct StoredFormsTests {
    private struct Mixed: Codable {
        var first: StoredForm<String>
        var rest: [String: [StoredForm<String>]]
        var lookalike: [String: String]
        var other: StoredForm<Int>
    }

    private static func references(_ kind: Int?, in bytes: [UInt8], from start: Int = 0) throws -> Set<String> {
        Set(try StoredForms.find(kind, in: bytes, from: start).map { try MessagePackDecoder().decode(String.self, from: $0) })
    }

    @Test func formsOfOneKindAreFoundWhereverTheyAre() throws {
        let mixed = Mixed(
            first: .init(reference: "a", kind: 0), rest: ["x": [.init(reference: "b", kind: 0), .init(reference: "c", kind: 1)]],
            lookalike: ["$stored": "d"], other: .init(reference: 5, kind: 2))
        let bytes = try MessagePackEncoder().encode(mixed)
        #expect(try Self.references(0, in: [0xc0] + bytes + bytes, from: 1) == ["a", "b"])
        #expect(try Self.references(1, in: bytes) == ["c"])
        #expect(try Self.references(3, in: bytes).isEmpty)
        // By hand, without a number.
        #expect(try Self.references(nil, in: bytes) == ["d"])
    }

    @Test func anyBytesAreBorne() throws {
        var generator = SystemRandomNumberGenerator()
        let bytes = try MessagePackEncoder().encode((0..<20).map { StoredForm(reference: "\($0)", kind: 0) })
        for _ in 0..<5_000 {
            var damaged = bytes
            for _ in 0..<3 { damaged[Int.random(in: damaged.indices, using: &generator)] = .random(in: 0...255, using: &generator) }
            damaged.removeLast(Int.random(in: 0..<damaged.count, using: &generator))
            _ = StoredForms.find(0, in: damaged, from: 0)
        }
        _ = StoredForms.find(0, in: [UInt8](repeating: 0x91, count: 100_000), from: 0)
    }
}
