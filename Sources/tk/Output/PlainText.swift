internal import TelekinesisProtocol

extension String {
    /// The text with everything escaped that could act on a terminal, hide, or feign another line.
    var escapedForTerminal: String { printable() }

    /// The same; line breaks and tabs stay if they may.
    func escapedForTerminal(keepingLines: Bool) -> String { printable(keepingLines: keepingLines) }
}
