/// `tk hub`
enum HubCommand: Command {
    static let syntax = CommandSyntax(name: "hub", summary: "Run a hub.")

    static func run(_ arguments: Arguments) async throws { throw CommandFailure("no hub") }

    private static let readyText = "tk hub ready on "

    /// The address in the line that says that a hub is ready.
    static func address(readyLine line: String) -> String? { line.hasPrefix(readyText) ? String(line.dropFirst(readyText.count)) : nil }
}
