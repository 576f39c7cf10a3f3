/// `tk demo`
enum DemoCommand: Command {
    static let syntax = CommandSyntax(
        name: "demo", summary: "See it work: a hub, a provider and a caller, as three processes on this machine.",
        details: "Nothing outside this machine is used, and nothing is left behind.", examples: ["tk demo"])

    static func run(_ arguments: Arguments) async throws {
        // The demo has a hub of its own, whatever hub and secret the user's environment names.
        let environment = ["TK_HUB": "", "TK_SECRET_FILE": ""]
        var hub = try ChildProcess(["hub", "--port", "0"], environment: environment, output: .piped)
        guard let address = try hub.readLine().flatMap(HubCommand.address(readyLine:)) else {
            throw CommandFailure("the hub did not start")
        }
        try Terminal.line("hub      process \(hub.id), \(address)")

        var provider = try ChildProcess(["demo-provider", "--hub", address], environment: environment, output: .piped)
        guard try provider.readLine() == "ready" else { throw CommandFailure("the provider did not start") }
        try Terminal.line("provider process \(provider.id), publishes demo/counter, demo/Counter and demo/hello")

        var caller = try ChildProcess(["demo-caller", "--hub", address], environment: environment)
        try Terminal.line("caller   process \(caller.id)")
        try Terminal.line("")
        guard caller.wait() == 0 else { throw CommandFailure("the caller failed") }

        let ends = [provider.stop(), hub.stop()]
        guard ends == [0, 0] else { throw CommandFailure("provider and hub did not end in good order: \(ends)") }
        if Version.build == "debug" {
            try Terminal.line("This is a debug build: `swift run -c release tk demo` shows what a call really costs.")
        }
    }
}
