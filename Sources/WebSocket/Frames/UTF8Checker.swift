/// Checks that bytes are UTF-8 (RFC 3629 §4), piece by piece, and says so at the first byte that cannot be.
struct UTF8Checker: Sendable {
    /// How many bytes of the character under way are still to come, and what the next one may be.
    private var remaining: UInt8 = 0
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF

    /// Whether no character is under way.
    var isComplete: Bool { remaining == 0 }

    /// Takes the next bytes; false if they cannot be UTF-8, however they went on.
    mutating func accepts(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            if remaining == 0 {
                while index &+ 8 <= bytes.count, bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 {
                    index &+= 8
                }
                guard index < bytes.count else { return true }
                guard begins(with: bytes[index]) else { return false }
            } else {
                guard bytes[index] >= lowest, bytes[index] <= highest else { return false }
                (lowest, highest) = (0x80, 0xBF)
                remaining &-= 1
            }
            index &+= 1
        }
        return true
    }

    /// Sets what may follow the first byte of a character; false if it cannot be one.
    private mutating func begins(with byte: UInt8) -> Bool {
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: remaining = 1
        case 0xE0: (remaining, lowest) = (2, 0xA0)  // shorter forms exist
        case 0xED: (remaining, highest) = (2, 0x9F)  // surrogates
        case 0xE1...0xEF: remaining = 2
        case 0xF0: (remaining, lowest) = (3, 0x90)  // shorter forms exist
        case 0xF1...0xF3: remaining = 3
        case 0xF4: (remaining, highest) = (3, 0x8F)  // beyond U+10FFFF
        default: return false
        }
        return true
    }
}
