/// `tk version`
enum VersionCommand: Command {
    static let syntax = CommandSyntax(
        name: "version", summary: "Print the version.", options: [JSONOutput.option], examples: ["tk version"])

    private struct Answer: Encodable {
        var version: String
    }

    static func run(_ arguments: Arguments) async throws {
        if arguments.has(JSONOutput.option.name) { return try JSONOutput.line(Answer(version: Version.current)) }
        try Terminal.line("tk \(Version.current)")
    }
}

/// Which version this is.
enum Version {
    static let current = "0.1.0"

    #if DEBUG
        static let build = "debug"
    #else
        static let build = "release"
    #endif
}
