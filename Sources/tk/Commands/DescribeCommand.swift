internal import Telekinesis

/// `tk describe`
enum DescribeCommand: Command {
    static let syntax = CommandSyntax(
        name: "describe", summary: "Show the methods of something published.",
        details: "The signatures come from the binary of the provider.",
        operands: [.init(name: "NAME", help: "A published name.")],
        options: HubConnection.options + [HubConnection.timeout("the answer", defaultSeconds: 30), JSONOutput.option],
        examples: ["tk describe demo/counter"])

    static func run(_ arguments: Arguments) async throws {
        let name = arguments.operands[0]
        let deadline = try HubConnection.deadline(arguments, defaultSeconds: 30)
        try await HubConnection.with(arguments) { node in
            // First: the question that the next line puts to a provider is a call, too.
            let (entry, description) = try await withDeadline(deadline) {
                (try await node.list(name).first { $0.name == name }, try await node.describe(name))
            }
            if arguments.has(JSONOutput.option.name) { return try JSONOutput.line(description) }
            try Terminal.write(text(description, entry, name: name).map { $0.escapedForTerminal + "\n" }.joined())
        }
    }

    /// The lines for people.
    ///
    /// - Parameter entry: what the hub knows of the name.
    static func text(_ description: ServiceDescription, _ entry: ListedName? = nil, name: String) -> [String] {
        var lines: [String] = []
        switch description.kind {
        case .object: lines.append("\(name): an object, \(description.type)")
        case .class: lines.append("\(name): a class, makes \(description.type)")
        case .function: lines.append("\(name): a function")
        }
        if let entry {
            let load = entry.load?.text ?? ""
            lines[0] += ", \(entry.sharing.rawValue), \(entry.providersText)" + (load.isEmpty ? "" : ": " + load)
        }
        let methods = [description.initializer].compactMap(\.self) + description.methods
        for method in methods {
            lines.append("  " + method.signature + (method.refusal.map { "  (cannot be called from elsewhere: \($0))" } ?? ""))
        }
        return lines
    }
}
