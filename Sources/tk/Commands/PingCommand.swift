internal import Telekinesis

/// `tk ping`
enum PingCommand: Command {
    static let syntax = CommandSyntax(
        name: "ping", summary: "Ask the hub, or the provider of a name, whether it is there.",
        operands: [.init(name: "NAME", help: "A published name; without it, the hub is asked.", isRequired: false)],
        options: HubConnection.options + [HubConnection.timeout("the answer", defaultSeconds: 5), JSONOutput.option],
        examples: ["tk ping demo/counter"])

    private struct Answer: Encodable {
        var name: String?
        var milliseconds: Double
    }

    static func run(_ arguments: Arguments) async throws {
        let deadline = try HubConnection.deadline(arguments, defaultSeconds: 5)
        try await HubConnection.with(arguments) { node in
            let name = arguments.operand(0)
            let time = try await withDeadline(deadline) { try await node.ping(name) } / .milliseconds(1)
            if arguments.has(JSONOutput.option.name) { return try JSONOutput.line(Answer(name: name, milliseconds: time)) }
            let who = name.map { "the provider of \($0)" } ?? "the hub"
            try Terminal.line("\(who.escapedForTerminal) answered in \(FigureText.decimal(time, places: 3)) ms")
        }
    }
}
