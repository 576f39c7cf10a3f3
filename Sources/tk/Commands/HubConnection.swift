internal import Telekinesis

/// How commands that talk to a hub find it and get in.
enum HubConnection {
    static let options = [
        CommandSyntax.Option(
            name: "--hub", value: "URL", help: "The hub, by default \(Node.defaultAddress).", environment: "TK_HUB"),
        CommandSyntax.Option(
            name: "--secret-file", value: "FILE", help: "A file with the secret that the hub asks for.", environment: "TK_SECRET_FILE"),
    ]

    /// Connects, does something, and closes the connection. A hub that cannot be reached now is an error at once.
    @MainActor
    static func with(_ arguments: Arguments, _ body: @MainActor (Node) async throws -> Void) async throws {
        var configuration = NodeConfiguration()
        configuration.agent = "tk \(Version.current)"
        configuration.logger = .silent
        if let file = arguments.value("--secret-file") { configuration.credentials = [try SharedSecret(file: file)] }
        let node: Node
        do {
            node = try await Node.connect(
                to: arguments.value("--hub") ?? Node.defaultAddress, configuration: configuration, waitingUpTo: .zero)
        } catch let error as TelekinesisError where error.code == .invalidUse {
            throw UsageError(error.message)
        }
        do {
            try await body(node)
        } catch {
            await node.close()
            throw error
        }
        await node.close()
    }
}
