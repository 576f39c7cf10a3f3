/// Masking, which is its own inverse (RFC 6455 §5.3).
public enum WebSocketMask {
    /// Masks or unmasks `bytes` in place, whatever their alignment.
    ///
    /// - Parameters:
    ///   - key: the four bytes of the key in the order of memory.
    ///   - offset: where `bytes` stand in the payload.
    public static func apply(_ key: UInt32, to bytes: UnsafeMutableRawBufferPointer, offset: Int = 0) {
        guard key != 0, let base = bytes.baseAddress else { return }
        let shift = UInt32(truncatingIfNeeded: offset & 3) * 8
        let inOrder = UInt32(littleEndian: key)
        let turned = inOrder >> shift | inOrder << (32 - shift)
        let word = (UInt64(turned) << 32 | UInt64(turned)).littleEndian
        let wide = SIMD4<UInt64>(repeating: word)
        var index = 0
        while index &+ 32 <= bytes.count {
            let block = base.loadUnaligned(fromByteOffset: index, as: SIMD4<UInt64>.self)
            base.storeBytes(of: block ^ wide, toByteOffset: index, as: SIMD4<UInt64>.self)
            index &+= 32
        }
        while index &+ 8 <= bytes.count {
            let block = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            base.storeBytes(of: block ^ word, toByteOffset: index, as: UInt64.self)
            index &+= 8
        }
        var rest = UInt64(littleEndian: word)
        while index < bytes.count {
            bytes[index] ^= UInt8(truncatingIfNeeded: rest)
            rest >>= 8
            index &+= 1
        }
    }
}
