internal import CSystem
internal import Glibc
internal import Reactor

@main
struct Main {
    @MainActor static func main() async {
        let environment = Environment.current
        ChildProcess.followParent(environment)
        ProcessMemory.keepFreed()
        exit(await run(Array(CommandLine.arguments.dropFirst()), environment).rawValue)
    }

    /// Runs the command that the words name.
    @MainActor static func run(_ words: [String], _ environment: [String: String]) async -> ExitCode {
        do {
            guard let name = words.first else { throw UsageError("a command is missing") }
            if name == "--help" || name == "-h" {
                try Terminal.write(Commands.overview)
            } else {
                let command = try Commands.find(name == "--version" ? "version" : name)
                let arguments = try Arguments(Array(words.dropFirst()), syntax: command.syntax, environment: environment)
                if arguments.wantsHelp {
                    try Terminal.write(HelpText.of(command.syntax))
                } else {
                    try await command.run(arguments)
                }
            }
            return .success
        } catch let error as UsageError {
            let help = error.command ?? words.first.flatMap { $0 == HelpCommand.syntax.name ? nil : (try? Commands.find($0))?.syntax.name }
            let hint = help.map { "`tk \($0) --help` says more" } ?? "`tk --help` lists the commands"
            Terminal.error("\(error.description.escapedForTerminal); \(hint)")
            return .usage
        } catch {
            Terminal.error("\(error)".escapedForTerminal)
            return .failure
        }
    }
}
