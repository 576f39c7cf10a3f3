internal import Telekinesis

/// `tk ls`
enum ListCommand: Command {
    static let syntax = CommandSyntax(
        name: "ls", summary: "List what is published.",
        details: "One line for each name: the name, its kind, how it is shared, how many providers serve it now, and what they have to do.",
        operands: [.init(name: "PREFIX", help: "Only names that start with this.", isRequired: false)],
        options: HubConnection.options + [JSONOutput.option], examples: ["tk ls demo/"])

    static func run(_ arguments: Arguments) async throws {
        try await HubConnection.with(arguments) { node in
            let names = try await node.list(arguments.operand(0) ?? "")
            if arguments.has(JSONOutput.option.name) { return try JSONOutput.line(names) }
            if names.isEmpty {
                let prefix = arguments.operand(0).map { " that starts with “\($0.escapedForTerminal)”" } ?? ""
                Terminal.error("nothing is published\(prefix)")
            }
            let rows = names.map { entry -> [String] in
                let load = entry.load?.text ?? ""
                return [entry.name, entry.kind.rawValue, entry.sharing.rawValue, entry.providersText] + (load.isEmpty ? [] : [load])
            }
            try Terminal.write(TextTable.lines(rows.map { $0.map(\.escapedForTerminal) }))
        }
    }
}
