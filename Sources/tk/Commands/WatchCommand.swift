internal import Telekinesis

/// `tk watch`
enum WatchCommand: Command {
    static let syntax = CommandSyntax(
        name: "watch", summary: "Tell what is published, withdrawn, gone and back.",
        details: """
            One line for each event, until it is interrupted: what has happened, the name, and what serves it now. What is served at the beginning
            is told first. When the hub restarts, the differences are told.
            """,
        operands: [.init(name: "PREFIX", help: "Only names that start with this.", isRequired: false)],
        options: HubConnection.options + [.init(name: "--json", help: "Print one JSON object on each line, for programs.")],
        examples: ["tk watch demo/"])

    /// An event for programs.
    struct Event: Encodable {
        var event: String
        var name: String
        var kind: ServiceKind?
        var sharing: Sharing?
        var providers: Int?

        init(_ event: WatchEvent) {
            self.event = event.kind.rawValue
            name = event.name
            kind = event.service?.kind
            sharing = event.service?.sharing
            providers = event.service?.providers
        }
    }

    static func run(_ arguments: Arguments) async throws {
        let asJSON = arguments.has(JSONOutput.option.name)
        try await HubConnection.with(arguments) { node in
            for await event in node.watch(arguments.operand(0) ?? "") {
                if let error = event.error { throw error }
                if asJSON { try JSONOutput.line(Event(event)) } else { try Terminal.line(text(event)) }
            }
        }
    }

    /// The line for people.
    static func text(_ event: WatchEvent) -> String {
        let kind = event.kind.rawValue
        let service = event.service.map { "  \($0.kind.rawValue), \($0.sharing.rawValue)" } ?? ""
        return kind + String(repeating: " ", count: max(0, 9 - kind.count)) + "  " + event.name.escapedForTerminal + service
    }
}
