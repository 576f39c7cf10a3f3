internal import Telekinesis

/// How commands that talk to a hub find it and get in.
enum HubConnection {
    static let options = [
        CommandSyntax.Option(
            name: "--hub", value: "URL", help: "The hub, by default \(Node.defaultAddress).", environment: "TK_HUB"),
        CommandSyntax.Option(
            name: "--secret-file", value: "FILE", help: "A file with the secret that the hub asks for.", environment: "TK_SECRET_FILE"),
    ]

    /// For commands that wait for an answer.
    static func timeout(_ what: String, defaultSeconds: Int) -> CommandSyntax.Option {
        .init(name: "--timeout", value: "SECONDS", help: "How long \(what) may take, by default \(defaultSeconds).")
    }

    /// The value of that option, as a deadline.
    static func deadline(_ arguments: Arguments, defaultSeconds: Int) throws -> CallDeadline {
        .seconds(try arguments.number("--timeout", in: 0.001...1_000_000) ?? Double(defaultSeconds))
    }

    /// Connects, does something, and closes the connection. A hub that cannot be reached now is an error at once.
    @MainActor
    static func with(_ arguments: Arguments, _ body: @MainActor (Node) async throws -> Void) async throws {
        var configuration = NodeConfiguration()
        configuration.agent = "tk \(Version.current)"
        configuration.logger = .silent
        if let file = arguments.value("--secret-file") { configuration.credentials = [try SharedSecret(file: file)] }
        let address = arguments.value("--hub") ?? Node.defaultAddress
        let node: Node
        do {
            node = try await Node.connect(to: address, configuration: configuration, waitingUpTo: .zero)
        } catch let error as TelekinesisError where error.code == .invalidUse || error.code == .unsupported && address.hasPrefix("wss:") {
            throw UsageError(error.message)
        }
        do {
            try await body(node)
        } catch {
            await node.close()
            if let error = error as? TelekinesisError, error.code == .invalidName, error.ran == .no { throw UsageError(error.message) }
            throw error
        }
        await node.close()
    }
}
