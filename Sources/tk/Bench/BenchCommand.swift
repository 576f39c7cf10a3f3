/// `tk bench`
enum BenchCommand: Command {
    static let syntax = CommandSyntax(
        name: "bench", summary: "Measure calls, beside the floor that the machine gives.",
        details: """
            Runs provider, hub and caller as processes of their own and, in the same run, a raw echo and a raw relay without any of this library.
            `tk bench provider` and `tk bench caller` run one side alone.
            """,
        operands: [.init(name: "ROLE", help: "provider or caller: that side alone, at the hub of --hub.", isRequired: false)],
        options: [
            .init(name: "--workload", value: "NAME", help: "W1, W2, W3, W4 or W5; all unless given.", isRepeated: true),
            .init(name: "--rounds", value: "N", help: "Interleaved rounds, of which the median counts; by default 5."),
            .init(name: "--duration", value: "SECONDS", help: "How long each measurement lasts, by default 2."),
            .init(name: "--pin", value: "CPUS", help: "Pin all processes to these processors: 0, or 0,1."),
            .init(name: "--polling", help: "Poll before sleeping."),
        ] + HubConnection.options + [JSONOutput.option],
        examples: ["tk bench --workload W1 --pin 0"])

    static func run(_ arguments: Arguments) async throws {
        throw CommandFailure("no workload is measured in this version")
    }
}
