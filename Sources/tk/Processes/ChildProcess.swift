internal import CSystem
internal import Glibc
internal import Reactor

/// A process that this one started, and that ends with it: when the value goes, or when this process dies in whatever way.
///
/// Everything here waits in place. It is for a program that does nothing else meanwhile, and is used from the main thread: the kernel ends a
/// child when the *thread* that started it has ended (prctl(2), PR_SET_PDEATHSIG).
@MainActor
struct ChildProcess: ~Copyable {
    /// Where `tk` itself lies.
    nonisolated static let ownProgram = "/proc/self/exe"
    /// The variable that tells a child of whom it is one.
    nonisolated private static let parentVariable = "TK_PARENT_PROCESS"

    /// What becomes of the child's standard output.
    enum Output {
        case inherited
        /// Read with ``readLine(within:)``.
        case piped
    }

    let id: pid_t
    private let output: Int32
    private var unread: [UInt8] = []
    private var status: Int32?

    /// Starts a process.
    ///
    /// - Parameters:
    ///   - arguments: without the name of the program.
    ///   - program: a path; by default this very program.
    ///   - environment: variables beside, or in place of, those of this process.
    init(
        _ arguments: [String], of program: String = ChildProcess.ownProgram, environment: [String: String] = [:],
        output: Output = .inherited
    ) throws {
        var ends: [Int32] = [-1, -1]
        if output == .piped {
            guard pipe(&ends) == 0 else { throw CommandFailure("no pipe: \(String(cString: strerror(errno)))") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }
        defer { if ends[1] >= 0 { close(ends[1]) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if output == .piped { posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) }
        // A child hears all signals, whatever this thread has blocked.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        var variables = Environment.current.merging(environment) { $1 }
        variables[Self.parentVariable] = "\(getpid())"
        var words = (["tk"] + arguments).map { strdup($0) } + [nil]
        var settings = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + settings { free(text) } }
        var id: pid_t = 0
        let error = posix_spawn(&id, program, &actions, &attributes, &words, &settings)
        guard error == 0 else {
            if ends[0] >= 0 { close(ends[0]) }
            throw CommandFailure("\(program) cannot be started: \(String(cString: strerror(error)))")
        }
        self.id = id
        self.output = ends[0]
    }

    deinit {
        if status == nil {
            kill(id, SIGKILL)
            var status: Int32 = 0
            waitpid(id, &status, 0)
        }
        if output >= 0 { close(output) }
    }

    /// The next line of the child's standard output; `nil` at its end.
    ///
    /// - Throws: ``CommandFailure`` when it takes too long.
    mutating func readLine(within seconds: Double = 30) throws -> String? {
        let limit = Self.now + seconds
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: unread[..<end], as: UTF8.self)
                unread.removeSubrange(...end)
                return line
            }
            var watched = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            let ready = poll(&watched, 1, Int32(max(0, (limit - Self.now) * 1000)))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw CommandFailure("process \(id) said nothing within \(seconds) s") }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = read(output, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            unread += buffer[..<count]
        }
    }

    /// Asks the child to end, waits, and says how it ended: its exit code, or the number of the signal below zero.
    @discardableResult
    mutating func stop() -> Int32 {
        if status == nil { kill(id, SIGTERM) }
        return wait()
    }

    /// Waits for the child's end and says how it ended: its exit code, or the number of the signal below zero.
    mutating func wait() -> Int32 {
        if let status { return status }
        var word: Int32 = 0
        while waitpid(id, &word, 0) < 0, errno == EINTR {}
        let result = word & 0x7f == 0 ? (word >> 8) & 0xff : -(word & 0x7f)
        status = result
        return result
    }

    /// Called by a process at its start: if it was started here, it ends with its parent from now on.
    nonisolated static func followParent(_ environment: [String: String]) {
        guard let parent = environment[parentVariable].flatMap(Int32.init) else { return }
        unsetenv(parentVariable)
        if tk_die_with_parent(parent) != 0 { exit(ExitCode.failure.rawValue) }
    }

    nonisolated private static var now: Double { Double(MonotonicClock.now) / 1e9 }
}
