internal import Glibc
internal import TelekinesisProtocol

/// The key under which a hub signs its tickets.
enum HubKey {
    static let size = 32

    /// A key that lives as long as the process.
    static func random() -> [UInt8] { .random(count: size) }

    /// The key kept in a directory, in the file `hub.key`, which only its owner can read. Both are made when they are not there.
    ///
    /// - Throws: `invalidUse` that says what is wrong with the file.
    static func kept(in directory: String) throws(TelekinesisError) -> [UInt8] {
        let path = directory + "/hub.key"
        func failure(_ what: String) -> TelekinesisError {
            TelekinesisError(.invalidUse, "the hub's key \(path) \(what)")
        }
        _ = mkdir(directory, 0o700)
        let fresh = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if fresh >= 0 {
            defer { close(fresh) }
            let key = random()
            guard write(fresh, key, key.count) == key.count, fsync(fresh) == 0 else {
                unlink(path)
                throw failure("cannot be written: \(String(cString: strerror(errno)))")
            }
            return key
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & 0o077 == 0 else { throw failure("can be read by others: chmod 600 it") }
        var key = [UInt8](repeating: 0, count: size + 1)
        guard read(descriptor, &key, key.count) == size else { throw failure("does not have \(size) bytes: remove it") }
        key.removeLast()
        return key
    }
}
