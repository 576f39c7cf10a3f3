internal import CSystem
public import TelekinesisProtocol

/// SHA-256 (FIPS 180-4) of content that comes in pieces, from the system's libcrypto.
public struct ContentHasher: ~Copyable {
    private let context: UnsafeMutableRawPointer
    private var hasFailed = false

    /// Begins.
    ///
    /// - Throws: `unsupported` when libcrypto is missing; the message says what to install.
    public init() throws(TelekinesisError) {
        guard let context = tk_sha256_begin() else {
            throw TelekinesisError(
                .unsupported,
                "values cannot be stored without libcrypto.so.3 of OpenSSL 3: install it (Debian and Ubuntu: apt install libssl3)")
        }
        self.context = context
    }

    deinit { tk_sha256_free(context) }

    /// Adds a piece.
    public mutating func update(_ piece: UnsafeRawBufferPointer) {
        if tk_sha256_update(context, piece.baseAddress, piece.count) != 0 { hasFailed = true }
    }

    /// The digest of all that was added.
    ///
    /// - Throws: `internalError` when the library fails.
    public consuming func finish() throws(TelekinesisError) -> ContentDigest {
        var bytes = [UInt8](repeating: 0, count: ContentDigest.size)
        let status = bytes.withUnsafeMutableBufferPointer { tk_sha256_finish(context, $0.baseAddress) }
        guard status == 0, !hasFailed, let digest = ContentDigest(bytes) else {
            throw TelekinesisError(.internalError, "libcrypto could not compute a digest")
        }
        return digest
    }

    /// The digest of content that lies in memory.
    ///
    /// - Throws: `unsupported` when libcrypto is missing.
    public static func digest(of content: [UInt8]) throws(TelekinesisError) -> ContentDigest {
        var hasher = try ContentHasher()
        content.withUnsafeBytes { hasher.update($0) }
        return try hasher.finish()
    }
}
