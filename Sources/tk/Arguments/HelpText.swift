/// The help of a command or of the program, made from the syntax.
enum HelpText {
    /// What `tk COMMAND --help` shows.
    static func of(_ syntax: CommandSyntax) -> String {
        var text = "\(syntax.summary)\n"
        if !syntax.details.isEmpty { text += "\n\(syntax.details)\n" }
        text += "\nUsage: \(usage(syntax))\n"
        if !syntax.operands.isEmpty { text += section("Arguments", syntax.operands.map { ($0.name, $0.help) }) }
        text += section("Options", syntax.allOptions.map { (spelling($0), help($0)) })
        if !syntax.examples.isEmpty { text += "\nExample:\n" + syntax.examples.map { "  \($0)\n" }.joined() }
        return text
    }

    /// What `tk --help` shows.
    static func overview(_ commands: [CommandSyntax]) -> String {
        """
        Publish a Swift object once; call it from anywhere as if it were local.

        Usage: tk COMMAND [ARGUMENT…] [OPTION…]

        """ + section("Commands", commands.filter { !$0.isHidden }.map { ($0.name, $0.summary) }) + """

            `tk COMMAND --help` says more about a command. TK_HUB names the hub (ws://localhost:3388 unless it is set).

            Example:
              tk demo

            """
    }

    /// `tk call NAME METHOD [ARGUMENT…] [OPTION…]`
    static func usage(_ syntax: CommandSyntax) -> String {
        let operands = syntax.operands.map { operand in
            let name = operand.isRepeated ? "\(operand.name)…" : operand.name
            return operand.isRequired ? name : "[\(name)]"
        }
        return (["tk", syntax.name] + operands + (syntax.options.isEmpty ? [] : ["[OPTION…]"])).joined(separator: " ")
    }

    private static func spelling(_ option: CommandSyntax.Option) -> String {
        [option.name, option.value].compactMap(\.self).joined(separator: " ")
    }

    private static func help(_ option: CommandSyntax.Option) -> String {
        var notes: [String] = []
        if let variable = option.environment { notes.append("also \(variable)") }
        if option.isRepeated { notes.append("may be given several times") }
        return notes.isEmpty ? option.help : "\(option.help) (\(notes.joined(separator: "; ")))"
    }

    private static func section(_ title: String, _ rows: [(String, String)]) -> String {
        "\n\(title):\n" + TextTable.lines(rows.map { ["  " + $0, $1] })
    }
}
