internal import Telekinesis

/// `tk describe`
enum DescribeCommand: Command {
    static let syntax = CommandSyntax(
        name: "describe", summary: "Show the methods of something published, and the types they take.",
        details: "All of it comes from the binary of the provider.",
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
        for type in description.types ?? [] { lines += ["", heading(type)] + parts(of: type.type).map { "    " + $0 } }
        return lines
    }

    /// What a type is.
    private static func heading(_ definition: TypeDefinition) -> String {
        let text =
            switch definition.type {
            case .structure: "struct \(definition.name)"
            case .enumeration: "enum \(definition.name)"
            case .rawEnumeration(let type, _): "enum \(definition.name): \(type)"
            case .opaque: "\(definition.name), whose form is not known"
            default: "\(definition.name) = \(definition.type)"
            }
        return "  " + text + (definition.isPartial ? "  (there may be more to it)" : "")
    }

    /// Its fields or cases, a line each.
    private static func parts(of type: TypeDescription) -> [String] {
        switch type {
        case .structure(let fields): fields.map(\.description)
        case .enumeration(let cases): cases.map(\.asCase)
        case .rawEnumeration(_, let cases): cases.map(\.description)
        default: []
        }
    }
}
