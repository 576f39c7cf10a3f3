internal import Glibc
internal import Synchronization
internal import Telekinesis

/// Shows on standard error what a running call tells, and asks there what it wants to know.
final class CallDisplay: Sendable {
    private static let width = 30
    private static let longestPrompt = 1000
    private static let emptyLine = "\r\u{1B}[K"

    private struct State {
        /// Whether a bar stands in the current line.
        var hasBar = false
        /// What is being asked in the current line.
        var prompt: String?
    }

    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let state = Mutex(State())

    /// Progress as a bar, where there is a terminal; messages as lines.
    func show(_ progress: CallProgress) {
        let text = progress.message.escapedForTerminal
        guard let fraction = progress.fraction else {
            let (isInUse, prompt) = state.withLock { state in
                defer { state.hasBar = false }
                return (state.hasBar || state.prompt != nil, state.prompt)
            }
            if isInUse { Terminal.note(Self.emptyLine) }
            Terminal.error(progress.level == .info ? text : "\(progress.level?.rawValue ?? ""): \(text)")
            if let prompt { Terminal.note(prompt) }
            return
        }
        let isFree = state.withLock { state in
            // Who is being asked does not want the line to change under his fingers.
            guard isTerminal, state.prompt == nil else { return false }
            state.hasBar = true
            return true
        }
        guard isFree else { return }
        let part = Int(Double(Self.width) * min(1, max(0, fraction.isFinite ? fraction : 0)))
        let bar = String(repeating: "━", count: part) + String(repeating: "─", count: Self.width - part)
        Terminal.note("\(Self.emptyLine)\(bar) \(part * 100 / Self.width) % \(text.prefix(40))")
    }

    /// Takes the bar away, and shows again what is typed.
    func clear() {
        if takeBar() { Terminal.note(Self.emptyLine) }
        TerminalInput.show()
    }

    private func takeBar() -> Bool {
        state.withLock { state in
            defer { state.hasBar = false }
            return state.hasBar
        }
    }

    /// Asks, and reads a line from the terminal; what is secret is not shown while it is typed.
    ///
    /// - Throws: ``TelekinesisError`` with code `unsupported` when there is nobody to answer.
    func ask(_ question: CallQuestion) async throws -> String {
        let text = question.prompt.prefix(Self.longestPrompt).description
        func refuse(_ reason: String) -> TelekinesisError {
            TelekinesisError(.unsupported, "the method asks “\(text)”, and \(reason)", ran: .yes)
        }
        guard TerminalInput.isTerminal else { throw refuse("standard input is no terminal at which somebody could answer") }
        let prompt = "\(text.escapedForTerminal): "
        let isFirst = state.withLock { state in
            guard state.prompt == nil else { return false }
            state.prompt = prompt
            return true
        }
        guard isFirst else { throw refuse("something else is being asked already") }
        Terminal.note((takeBar() ? Self.emptyLine : "") + prompt)
        defer { state.withLock { $0.prompt = nil } }
        guard let answer = await TerminalInput.line(isSecret: question.isSecret) else { throw refuse("there was no answer") }
        return answer
    }
}
