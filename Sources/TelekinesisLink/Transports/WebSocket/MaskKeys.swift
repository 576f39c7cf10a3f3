internal import CSystem

/// Keys to mask with, which nobody can foretell (RFC 6455 §5.3), fetched from the kernel many at a time.
struct MaskKeys {
    private static let batch = 64

    private var keys: [UInt32] = []

    mutating func next() -> UInt32 {
        if keys.isEmpty {
            keys = [UInt32](repeating: 0, count: Self.batch)
            if keys.withUnsafeMutableBytes({ tk_random($0.baseAddress, $0.count) }) != 0 {
                var generator = SystemRandomNumberGenerator()
                for index in keys.indices { keys[index] = generator.next() }
            }
        }
        return keys.removeLast()
    }

    /// Bytes for the key of a handshake.
    static func nonce() -> [UInt8] {
        var keys = MaskKeys()
        return (0..<4).flatMap { _ in withUnsafeBytes(of: keys.next()) { Array($0) } }
    }
}
