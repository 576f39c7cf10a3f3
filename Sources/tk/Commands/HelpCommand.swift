/// `tk help`
enum HelpCommand: Command {
    static let syntax = CommandSyntax(
        name: "help", summary: "List the commands, or explain one.",
        operands: [.init(name: "COMMAND", help: "A command.", isRequired: false)], examples: ["tk help call"])

    static func run(_ arguments: Arguments) async throws {
        guard let name = arguments.operand(0) else { return try Terminal.write(Commands.overview) }
        try Terminal.write(HelpText.of(Commands.find(name).syntax))
    }
}
