internal import CSystem
internal import Glibc
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// The files of the store: whole values in `values`, those on their way in `incoming`. Everything here blocks, and runs on the store's own threads.
///
/// Names are made here, of digests and numbers; nothing that a node says is ever part of a path.
final class StoreFiles: Sendable {
    /// Where the files are, once that is known.
    private struct Place {
        let path: String
        /// Keeps other hubs out of the directory as long as it is open.
        let lock: Int32
        let isTemporary: Bool
    }

    /// What was in the directory when it was opened.
    struct Found {
        let digest: ContentDigest
        let file: StoreLedger.FileNumber
        let size: Int
    }

    private let place = Mutex<Place?>(nil)
    private let isClosed = Atomic<Bool>(false)
    private let nextFile = Atomic<UInt64>(1)
    private static let pieceSize = 64 * 1024

    deinit { close() }

    // MARK: Opening

    /// Opens a directory, which nobody else may use meanwhile: makes it if it is not there, and removes what never became whole.
    ///
    /// - Returns: what is in it.
    /// - Throws: `invalidUse` that says what is wrong with it.
    func open(_ path: String) throws(TelekinesisError) -> [Found] {
        for directory in [path, path + "/values", path + "/incoming"] where mkdir(directory, 0o700) != 0 && errno != EEXIST {
            throw failure("make the directory \(directory)", .invalidUse)
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw TelekinesisError(.invalidUse, "others may write to the store's directory \(path), or own it: chown it and chmod 700 it")
        }
        let lock = Glibc.open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw failure("open \(path)/lock", .invalidUse) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(lock)
            throw TelekinesisError(.invalidUse, "another hub uses the store's directory \(path): give each one its own")
        }
        for name in try names(in: path + "/incoming") { unlink(path + "/incoming/" + name) }
        var found: [Found] = []
        for name in try names(in: path + "/values") {
            // What is not named as this store names its files was not made by it, and stays.
            guard let (digest, file) = Self.parse(name), lstat(path + "/values/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG
            else { continue }
            found.append(Found(digest: digest, file: file, size: Int(status.st_size)))
            if file >= nextFile.load(ordering: .relaxed) { nextFile.store(file &+ 1, ordering: .relaxed) }
        }
        place.withLock { $0 = Place(path: path, lock: lock, isTemporary: false) }
        return found
    }

    /// The directory; without any of its own the store makes a temporary one when it is first needed.
    private func directory() throws(TelekinesisError) -> String {
        guard !isClosed.load(ordering: .acquiring) else { throw TelekinesisError(.draining, "the hub is shutting down") }
        if let path = place.withLock({ $0?.path }) { return path }
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/telekinesis-store-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw failure("make a directory in \(parent) (TMPDIR)") }
        let path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? parent }
        for directory in [path + "/values", path + "/incoming"] where mkdir(directory, 0o700) != 0 {
            throw failure("make the directory \(directory)")
        }
        // Two threads may come here at once: the directory of one of them is used.
        let used = place.withLock { place in
            let used = place ?? Place(path: path, lock: -1, isTemporary: true)
            place = used
            return used.path
        }
        if used != path { Self.remove(path) }
        return used
    }

    /// Lets go of the directory, and removes it when it was a temporary one.
    func close() {
        isClosed.store(true, ordering: .releasing)
        guard let place = place.withLock({ $0.take() }) else { return }
        if place.lock >= 0 { Glibc.close(place.lock) }
        guard place.isTemporary else { return }
        for folder in ["incoming", "values"] {
            for name in (try? names(in: "\(place.path)/\(folder)")) ?? [] { unlink("\(place.path)/\(folder)/\(name)") }
        }
        Self.remove(place.path)
    }

    private static func remove(_ path: String) {
        rmdir(path + "/incoming")
        rmdir(path + "/values")
        rmdir(path)
    }

    // MARK: Storing

    /// A file for content on its way.
    func create() throws(TelekinesisError) -> IncomingFile {
        let number = nextFile.add(1, ordering: .relaxed).oldValue
        let path = "\(try directory())/incoming/\(number.hexadecimal)"
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("make a file") }
        return IncomingFile(number: number, path: path, descriptor: descriptor)
    }

    /// Makes a file whose content has been checked one of the store's: on the disk, under its name.
    func keep(_ file: IncomingFile, as digest: ContentDigest) throws(TelekinesisError) {
        let values = try directory() + "/values"
        let path = "\(values)/\(Self.name(digest, file.number))"
        let folder = Glibc.open(values, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("open its directory") }
        defer { Glibc.close(folder) }
        guard fsync(file.descriptor) == 0 else { throw failure("write a file to the disk") }
        guard rename(file.path, path) == 0 else { throw failure("name a file") }
        guard fsync(folder) == 0 else {
            let error = failure("write its directory to the disk")
            // Under its name nobody would remove it.
            unlink(path)
            throw error
        }
    }

    // MARK: Reading

    /// Part of a file.
    ///
    /// - Throws: `internalError` when it is not there any more, or shorter than it was.
    func read(_ digest: ContentDigest, _ file: StoreLedger.FileNumber, from offset: Int, count: Int) throws(TelekinesisError) -> [UInt8] {
        let descriptor = try open(digest, file)
        defer { Glibc.close(descriptor) }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, initialized in
            while initialized < count {
                let got = pread(
                    descriptor, memory.baseAddress?.advanced(by: initialized), count - initialized, off_t(offset + initialized))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { return }
                initialized += got
            }
        }
        guard bytes.count == count else {
            throw TelekinesisError(.internalError, "a file of the hub's store is shorter than it was, or cannot be read", ran: .no)
        }
        return bytes
    }

    /// Whether a file is there, and is what its name says.
    ///
    /// - Throws: when it cannot be read.
    func isWhole(_ digest: ContentDigest, _ file: StoreLedger.FileNumber, size: Int) throws(TelekinesisError) -> Bool {
        let descriptor: Int32
        do throws(TelekinesisError) {
            descriptor = try open(digest, file)
        } catch {
            guard error.code == .noSuchObject else { throw error }
            return false
        }
        defer { Glibc.close(descriptor) }
        return try Self.isWhole(descriptor, digest, size: size)
    }

    /// Whether an open file is as long as announced and what the digest says. The digest alone says nothing of the size that others are told.
    static func isWhole(_ descriptor: Int32, _ digest: ContentDigest, size: Int) throws(TelekinesisError) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) == size else { return false }
        return try Self.digest(of: descriptor) == digest
    }

    /// Removes a file.
    func remove(_ digest: ContentDigest, _ file: StoreLedger.FileNumber) {
        guard let path = place.withLock({ $0?.path }) else { return }
        unlink("\(path)/values/\(Self.name(digest, file))")
    }

    /// The digest of an open file, read in pieces.
    private static func digest(of descriptor: Int32) throws(TelekinesisError) -> ContentDigest {
        var hasher = try ContentHasher()
        var piece = [UInt8](repeating: 0, count: pieceSize)
        var offset: off_t = 0
        while true {
            let got = pread(descriptor, &piece, piece.count, offset)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw failure("read a file") }
            guard got > 0 else { return try hasher.finish() }
            piece.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<got])) }
            offset += off_t(got)
        }
    }

    private func open(_ digest: ContentDigest, _ file: StoreLedger.FileNumber) throws(TelekinesisError) -> Int32 {
        let path = "\(try directory())/values/\(Self.name(digest, file))"
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw failure("open a file", errno == ENOENT ? .noSuchObject : .internalError) }
        return descriptor
    }

    // MARK: Names

    private static func name(_ digest: ContentDigest, _ file: StoreLedger.FileNumber) -> String { "\(digest)-\(file.hexadecimal)" }

    private static func parse(_ name: String) -> (ContentDigest, StoreLedger.FileNumber)? {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let digest = ContentDigest(parts[0]), let file = UInt64(parts[1], radix: 16), file.hexadecimal == parts[1]
        else { return nil }
        return (digest, file)
    }

    private func names(in path: String) throws(TelekinesisError) -> [String] {
        guard let directory = opendir(path) else { throw failure("read the directory \(path)", .invalidUse) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

/// A file of content on its way: written in pieces, removed at its end unless it was kept.
///
/// Used by one session's work, one piece after the other.
final class IncomingFile: Sendable {
    let number: StoreLedger.FileNumber
    let path: String
    let descriptor: Int32

    init(number: StoreLedger.FileNumber, path: String, descriptor: Int32) {
        self.number = number
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        Glibc.close(descriptor)
        // Nothing of that name is there when it was kept: the numbers of files are used once.
        unlink(path)
    }

    /// Writes a piece.
    ///
    /// - Throws: `storeFull` when the disk is.
    func write(_ bytes: [UInt8], at offset: Int) throws(TelekinesisError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written, off_t(offset + written))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write a file") }
            written += count
        }
    }
}

/// What the system refused, as `errno` has it.
private func failure(_ what: String, _ code: TelekinesisError.Code = .internalError) -> TelekinesisError {
    let reason = errno
    let code = [ENOSPC, EDQUOT].contains(reason) ? .storeFull : code
    return TelekinesisError(code, "the hub's store cannot \(what): \(String(cString: strerror(reason)))")
}
