import Foundation
import Glibc

@testable import tk

/// `tk` at a terminal, of which a test is the other end.
@MainActor final class Pseudoterminal {
    private let master: Int32
    private var id: pid_t = 0
    private var status: Int32?
    /// All that it has shown.
    private(set) var shown = ""
    private var unread = ""

    // TIOCSPTLCK and TIOCGPTN (ioctl_tty(2)): Glibc's module has neither them nor the functions around them.
    private static let lock: UInt = 0x4004_5431
    private static let number: UInt = 0x8004_5430
    // POSIX_SPAWN_SETSID.
    private static let ownSession: Int32 = 0x80

    /// Starts `tk` at a terminal of its own.
    ///
    /// - Parameter input: a file in place of the terminal as standard input.
    init(_ arguments: [String], input: String? = nil) throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (isLocked, number): (Int32, UInt32) = (0, 0)
        guard master >= 0, ioctl(master, Self.lock, &isLocked) == 0, ioctl(master, Self.number, &number) == 0 else {
            throw CommandFailure("there is no terminal: \(String(cString: strerror(errno)))")
        }
        let name = "/dev/pts/\(number)"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first terminal that a session opens is the one that its control-C comes from.
        posix_spawn_file_actions_addopen(&actions, 1, name, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        if let input {
            posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        } else {
            posix_spawn_file_actions_adddup2(&actions, 1, 0)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // Whoever runs the tests in the background may have it ignored.
        var interrupt = sigset_t()
        sigemptyset(&interrupt)
        sigaddset(&interrupt, SIGINT)
        posix_spawnattr_setsigdefault(&attributes, &interrupt)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | Self.ownSession))
        var words = (["tk"] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        let error = posix_spawn(&id, Self.program, &actions, &attributes, &words, environ)
        guard error == 0 else { throw CommandFailure("\(Self.program) cannot be started: \(String(cString: strerror(error)))") }
    }

    deinit {
        if status == nil {
            kill(id, SIGKILL)
            var status: Int32 = 0
            waitpid(id, &status, 0)
        }
        close(master)
    }

    /// Beside the program that runs the tests.
    private static var program: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = max(0, readlink("/proc/self/exe", &buffer, buffer.count))
        let own = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/") + "/tk"
    }

    /// Whether what is typed is shown.
    var echoes: Bool {
        var settings = termios()
        return tcgetattr(master, &settings) == 0 && settings.c_lflag & tcflag_t(ECHO) != 0
    }

    /// Types.
    func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(master, $0.baseAddress, $0.count) } }

    /// Waits until it shows something, behind what was waited for before.
    func wait(for text: String) async throws {
        while !unread.contains(text) { guard try await read() else { throw CommandFailure("“\(text)” did not come, but “\(shown)”") } }
        if let range = unread.range(of: text) { unread.removeSubrange(..<range.upperBound) }
    }

    /// Waits for a condition.
    func wait(until condition: () -> Bool) async throws {
        for _ in 0..<2000 where !condition() { try await Task.sleep(for: .milliseconds(5)) }
        guard condition() else { throw CommandFailure("this did not come about; shown was “\(shown)”") }
    }

    /// Waits for its end, and says how it ended: its exit code, or the number of the signal below zero.
    func end() async throws -> Int32 {
        while try await read() {}
        var word: Int32 = 0
        while waitpid(id, &word, 0) < 0, errno == EINTR {}
        let result = word & 0x7f == 0 ? (word >> 8) & 0xff : -(word & 0x7f)
        status = result
        return result
    }

    /// - Returns: `false` when nobody is at the other end any more.
    private func read() async throws -> Bool {
        for _ in 0..<6000 {
            var watched = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
            guard poll(&watched, 1, 0) > 0 else {
                // The other end is driven by tasks of this process: they must run.
                try await Task.sleep(for: .milliseconds(5))
                continue
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(master, &buffer, buffer.count)
            guard count > 0 else { return false }
            let text = String(decoding: buffer[..<count], as: UTF8.self)
            shown += text
            unread += text
            return true
        }
        throw CommandFailure("nothing came for thirty seconds; shown was “\(shown)”")
    }
}
