internal import Glibc

/// One subcommand of `tk`.
protocol Command: SendableMetatype {
    /// What may stand on its command line.
    static var syntax: CommandSyntax { get }

    /// Does it.
    ///
    /// - Throws: ``UsageError`` when the command line makes no sense (exit code 2); anything else when the command fails (exit code 1).
    @MainActor static func run(_ arguments: Arguments) async throws
}

/// The subcommands, in the order of the help.
enum Commands {
    static let all: [any Command.Type] = [
        HubCommand.self, DemoCommand.self, ListCommand.self, DescribeCommand.self, WatchCommand.self, CallCommand.self, PingCommand.self,
        BenchCommand.self,
        VersionCommand.self, HelpCommand.self, DemoProviderCommand.self, DemoCallerCommand.self,
    ]

    static func find(_ name: String) throws(UsageError) -> any Command.Type {
        guard let command = all.first(where: { $0.syntax.name == name }) else {
            throw UsageError("there is no command “\(name)”")
        }
        return command
    }

    static var overview: String { HelpText.overview(all.map { $0.syntax }) }
}

/// What the process ends with.
enum ExitCode: Int32 {
    case success = 0
    case failure = 1
    case usage = 2
}
