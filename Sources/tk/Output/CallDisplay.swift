internal import Glibc
internal import Reactor
internal import Synchronization
internal import Telekinesis

/// Shows on standard error what a running call tells, and asks there what it wants to know.
final class CallDisplay: Sendable {
    private static let width = 30

    private let isTerminal = isatty(STDERR_FILENO) == 1
    /// Whether a bar stands in the current line.
    private let hasBar = Mutex(false)

    /// Progress as a bar, where there is a terminal; messages as lines.
    func show(_ progress: CallProgress) {
        let text = progress.message.escapedForTerminal
        guard let fraction = progress.fraction else {
            clear()
            return Terminal.error(progress.level == .info ? text : "\(progress.level?.rawValue ?? ""): \(text)")
        }
        guard isTerminal else { return }
        let part = Int(Double(Self.width) * min(1, max(0, fraction.isFinite ? fraction : 0)))
        let bar = String(repeating: "━", count: part) + String(repeating: "─", count: Self.width - part)
        hasBar.withLock { $0 = true }
        Terminal.note("\r\u{1B}[K\(bar) \(part * 100 / Self.width) % \(text.prefix(40))")
    }

    /// Takes the bar away.
    func clear() {
        let had = hasBar.withLock { hasBar in
            defer { hasBar = false }
            return hasBar
        }
        if had { Terminal.note("\r\u{1B}[K") }
    }

    /// Asks, and reads a line from standard input; what is secret is not shown while it is typed.
    ///
    /// - Throws: ``TelekinesisError`` with code `unsupported` when there is nobody to answer.
    func ask(_ question: CallQuestion) async throws -> String {
        clear()
        Terminal.note("\(question.prompt.escapedForTerminal): ")
        // Standard input blocks: not on a thread that tasks need.
        let answer = await BlockingPool.shared.run { () throws(Never) in Self.readLine(isSecret: question.isSecret) }
        guard let answer else {
            throw TelekinesisError(.unsupported, "tk asked “\(question.prompt)”, and standard input has ended", ran: .yes)
        }
        return answer
    }

    private static func readLine(isSecret: Bool) -> String? {
        var settings = termios()
        let isTerminal = tcgetattr(STDIN_FILENO, &settings) == 0
        let hides = isSecret && isTerminal
        if hides {
            var silent = settings
            silent.c_lflag &= ~tcflag_t(ECHO)
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        }
        defer {
            if hides {
                tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
                Terminal.note("\n")
            }
        }
        return Swift.readLine()
    }
}
