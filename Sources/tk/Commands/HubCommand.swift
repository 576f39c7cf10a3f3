internal import TelekinesisHub

/// `tk hub`
enum HubCommand: Command {
    static let syntax = CommandSyntax(
        name: "hub", summary: "Run a hub, where providers and callers meet.",
        details: """
            Prints one line when it is ready. SIGTERM and SIGINT let calls under way finish before it ends; SIGINT once more ends it at once.
            Other machines can reach it only with a secret, or if it is told --insecure.
            """,
        options: [
            .init(name: "--host", value: "NAME", help: "Where to listen, by default localhost."),
            .init(name: "--port", value: "PORT", help: "The port, by default 3388; 0 takes a free one."),
            .init(
                name: "--secret-file", value: "FILE", help: "Only let in who knows the secret in this file.", environment: "TK_SECRET_FILE"),
            .init(name: "--state", value: "DIR", help: "Keep what must survive a restart of the hub in this directory."),
            .init(name: "--store", value: "DIR", help: "Keep large values that programs hand over in this directory."),
            .init(name: "--store-limit", value: "BYTES", help: "How much of them at once, by default 4 GiB."),
            .init(name: "--no-store", help: "Keep none of them."),
            .init(name: "--insecure", help: "Let other machines in without any secret."),
            .init(name: "--allow-origin", value: "ORIGIN", help: "Let web pages of https://example.org connect.", isRepeated: true),
            .init(name: "--allow-host", value: "NAME", help: "Answer to a further host name, as behind a proxy.", isRepeated: true),
            .init(name: "--loops", value: "N", help: "Event loops, by default one for each processor."),
            .init(name: "--polling", help: "Poll before sleeping: faster answers for more work."),
            .init(name: "--log-level", value: "LEVEL", help: "debug, info, warning or error; by default warning."),
        ],
        examples: ["tk hub --port 0"])

    static func run(_ arguments: Arguments) async throws {
        let hub = try await Hub.start(configuration(arguments))
        for url in hub.urls.prefix(1) { try Terminal.line(readyText + url) }
        try await hub.run()
    }

    /// What the options ask for.
    static func configuration(_ arguments: Arguments) throws -> HubConfiguration {
        var configuration = HubConfiguration()
        if let host = arguments.value("--host") { configuration.host = host }
        if let port = try arguments.number("--port", in: UInt16.min...UInt16.max) { configuration.port = port }
        if let file = arguments.value("--secret-file") { configuration.authenticator = try SharedSecret(file: file) }
        configuration.stateDirectory = arguments.value("--state")
        configuration.storesValues = !arguments.has("--no-store")
        configuration.storeDirectory = arguments.value("--store")
        if let bytes = try arguments.number("--store-limit", in: 1...Int.max) { configuration.limits.store.totalBytes = bytes }
        configuration.insecure = arguments.has("--insecure")
        configuration.allowedOrigins = try arguments.all("--allow-origin").map { origin in
            // As a browser writes it (RFC 6454 §6.2): with a scheme, and nothing behind the host and its port.
            let parts = origin.split(separator: "/", omittingEmptySubsequences: false)
            guard
                origin == "null"
                    || parts.count == 3 && parts[0].count > 1 && parts[0].hasSuffix(":") && parts[1].isEmpty && !parts[2].isEmpty
            else {
                throw UsageError("--allow-origin takes an origin such as https://example.org, not “\(origin)”")
            }
            return origin
        }
        configuration.allowedHosts = arguments.all("--allow-host")
        configuration.loops = try arguments.number("--loops", in: 1...1024)
        configuration.polling = arguments.has("--polling")
        if let name = arguments.value("--log-level") {
            guard let level = LogHandler.Level.allCases.first(where: { $0.description == name }) else {
                throw UsageError("--log-level is one of debug, info, warning and error, not “\(name)”")
            }
            configuration.logger.level = level
        }
        return configuration
    }

    private static let readyText = "tk hub ready on "

    /// The address in the line that says that a hub is ready.
    static func address(readyLine line: String) -> String? { line.hasPrefix(readyText) ? String(line.dropFirst(readyText.count)) : nil }
}
