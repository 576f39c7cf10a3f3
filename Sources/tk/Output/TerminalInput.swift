internal import CSystem
internal import Glibc
internal import Reactor
internal import Synchronization

/// One line from the terminal that is standard input.
final class TerminalInput: Sendable {
    /// Whether somebody can be asked.
    static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    private let isGivenUp = Atomic<Bool>(false)

    /// Waits for a line; what is secret is not shown while it is typed.
    ///
    /// - Returns: `nil` when the input has ended, or the task is cancelled.
    static func line(isSecret: Bool) async -> String? {
        let input = TerminalInput()
        return await withTaskCancellationHandler {
            // It blocks: not on a thread that tasks need.
            await BlockingPool.shared.run { () throws(Never) in input.read(isSecret: isSecret) }
        } onCancel: {
            input.isGivenUp.store(true, ordering: .relaxed)
        }
    }

    /// Shows again what is typed, where that was hidden.
    static func show() { if tk_show_input() != 0 { Terminal.note("\n") } }

    private func read(isSecret: Bool) -> String? {
        defer { if isSecret { Self.show() } }
        guard !isSecret || tk_hide_input(STDIN_FILENO) == 0 else { return nil }
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        // Not the standard library's `readLine`: a thread that waits in it holds a lock that the end of the process needs.
        while !isGivenUp.load(ordering: .relaxed) {
            var watched = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            guard poll(&watched, 1, 100) != 0 else { continue }
            let count = Glibc.read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { return nil }
            line += buffer[..<count]
            if let end = line.firstIndex(of: UInt8(ascii: "\n")) { return String(decoding: line[..<end], as: UTF8.self) }
        }
        return nil
    }
}
