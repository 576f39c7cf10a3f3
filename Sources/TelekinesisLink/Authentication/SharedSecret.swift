internal import Glibc
public import TelekinesisProtocol

/// Both ends know a secret and prove it to each other without ever sending it.
///
/// The node's proof is HMAC-SHA256(secret, "telekinesis v1 node" ‖ 0 ‖ hub's nonce ‖ node's nonce), each nonce behind one byte that says how long
/// it is; the hub's has "hub" in place of "node", so that neither end's proof can be sent back to it.
public struct SharedSecret: Authenticator, Credential {
    /// The fewest bytes of a secret.
    public static let minimumLength = 16

    private let secret: [UInt8]

    /// A secret of at least sixteen bytes. They should be random: who listens may try guesses at leisure.
    ///
    /// - Throws: `invalidUse` for a short one; `unsupported` when the library for HMAC is missing.
    public init(_ secret: [UInt8]) throws(TelekinesisError) {
        guard secret.count >= Self.minimumLength else {
            throw TelekinesisError(
                .invalidUse, "a shared secret has at least \(Self.minimumLength) bytes: make one with `openssl rand -hex 32`")
        }
        self.secret = secret
        _ = try MessageAuthentication.code(of: [], key: secret)
    }

    /// The secret in a file that nobody but its owner can read. White space at both ends does not count.
    ///
    /// - Throws: `invalidUse` when the file cannot be read, others can read it, or what is in it is too short.
    public init(file path: String) throws(TelekinesisError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw TelekinesisError(.invalidUse, "the secret file \(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, [S_IFREG, S_IFIFO].contains(status.st_mode & S_IFMT) else {
            throw TelekinesisError(.invalidUse, "the secret file \(path) is not a file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw TelekinesisError(.invalidUse, "others may read the secret file \(path): chmod 600 it")
        }
        var bytes = [UInt8](repeating: 0, count: 64 * 1024)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count) }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            count += got
        }
        let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0d).contains(byte) }
        var secret = bytes[..<count].drop(while: isSpace)
        while let last = secret.last, isSpace(last) { secret.removeLast() }
        try self.init([UInt8](secret))
    }

    /// `secret`.
    public var method: String { "secret" }

    /// Checks a node's proof; whoever knows the secret is the principal `secret`.
    public func authenticate(_ proof: [UInt8], for challenge: Challenge) throws -> Authenticated {
        guard MessageAuthentication.areEqual(proof, try code("node", challenge)) else {
            throw TelekinesisError(.unauthenticated, "the shared secret is not the hub's")
        }
        return Authenticated(principal: Principal(name: "secret"), hubProof: try code("hub", challenge))
    }

    /// Proves that this end knows the secret.
    public func proof(for challenge: Challenge) throws -> [UInt8] { try code("node", challenge) }

    /// Checks that the hub knows the secret too.
    public func check(hubProof: [UInt8], for challenge: Challenge) throws {
        guard MessageAuthentication.areEqual(hubProof, try code("hub", challenge)) else {
            throw TelekinesisError(.unauthenticated, "the hub does not know the shared secret: it may not be the one it should be")
        }
    }

    private func code(_ end: String, _ challenge: Challenge) throws(TelekinesisError) -> [UInt8] {
        var message = Array("telekinesis v1 \(end)".utf8) + [0]
        for nonce in [challenge.hub, challenge.node] {
            message.append(UInt8(truncatingIfNeeded: nonce.count))
            message += nonce
        }
        return try MessageAuthentication.code(of: message, key: secret)
    }
}

extension SharedSecret: CustomStringConvertible, CustomReflectable {
    /// Says nothing of the secret.
    public var description: String { "SharedSecret" }
    /// Says nothing of the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
