internal import CSystem
public import TelekinesisProtocol

/// HMAC-SHA256 (RFC 2104, FIPS 198-1) from the system's libcrypto.
public enum MessageAuthentication {
    /// Bytes of a code.
    public static let codeSize = 32

    /// Whether the library is there.
    public static var isAvailable: Bool { tk_crypto_available() != 0 }

    /// The code of a message under a key.
    ///
    /// - Throws: `unsupported` when libcrypto is missing; the message says what to install.
    public static func code(of message: [UInt8], key: [UInt8]) throws(TelekinesisError) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: codeSize)
        let status = code.withUnsafeMutableBufferPointer { code in
            message.withUnsafeBytes { message in
                key.withUnsafeBytes { key in
                    tk_hmac_sha256(key.baseAddress, key.count, message.baseAddress, message.count, code.baseAddress)
                }
            }
        }
        guard status == 0 else {
            throw TelekinesisError(
                .unsupported, "libcrypto.so.3 of OpenSSL 3 is missing: install it (Debian and Ubuntu: apt install libssl3)")
        }
        return code
    }

    /// Whether two codes are equal, in a time that does not depend on where they differ.
    public static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        var difference: UInt8 = 0
        for index in one.indices { difference |= one[index] ^ other[index] }
        return difference == 0
    }
}
