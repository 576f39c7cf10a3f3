internal import Telekinesis

/// The provider of `tk demo`, in a process of its own.
enum DemoProviderCommand: Command {
    static let syntax = CommandSyntax(
        name: "demo-provider", summary: "Publish what `tk demo` calls.", options: HubConnection.options, isHidden: true)

    static func run(_ arguments: Arguments) async throws {
        let node = try await Node.connect(to: arguments.value("--hub"))
        try await node.publish(Counter(on: node), as: "demo/counter")
        try await node.publish(class: "demo/Counter") { (initial: Int) in Counter(initialValue: initial, on: node) }
        try await node.publish(function: "demo/hello") { (name: String) in "Hello \(name)" }
        try Terminal.line("ready")
        try await node.run()
    }
}
