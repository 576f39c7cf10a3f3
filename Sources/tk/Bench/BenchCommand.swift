internal import CSystem
internal import Glibc
internal import Telekinesis

/// `tk bench`
enum BenchCommand: Command {
    static let syntax = CommandSyntax(
        name: "bench", summary: "Measure calls, beside the floor that the machine gives.",
        details: """
            Runs provider, hub and caller as processes of their own and, in the same run, a raw echo and a raw relay without any of this library.
            `tk bench provider` and `tk bench caller` run one side alone. `tk bench codec` compares the coders with Foundation's.

            W1  one call at a time                      W5  memory of an idle connection in the hub
            W2  64 calls under way on one connection    W6  W1 while another method computes for two seconds
            W3  echo of 1 MiB, one at a time            W7  W1 while 256 MiB go to another object on the same connection
            W4  16 connections × 16 calls under way     W8  W1 with 100,000 names and 1,000 idle connections, against an empty hub
            S1  a stream of 64-bit integers             S2  a stream of elements of 1 MiB
            P1  a chain of 16 calls, each on what the   P2  the same with pipelining: sent ahead
                one before returns; caller far away

            The ratio is p50 to that of the raw echo or relay (W1, W6, W7) or of the empty hub (W8), calls per second to those of the sequential
            raw echo (W2, W4), bytes per second to those of the raw relay or echo (W3). That of S1 is elements per second to the calls per second of W2, that of S2 bytes
            per second to those of W3, each in the same round. That of P1 and P2 is p50 of the chain to p50 of a single call over the same way,
            10 ms there and back: round trips. Allocations are those of a call in the caller's process and in the provider's, which
            on the direct path has the hub in it.
            """,
        operands: [
            .init(name: "ROLE", help: "provider, caller or codec; all of it unless given.", isRequired: false, isRepeated: true)
        ],
        options: [
            .init(name: "--workload", value: "NAME", help: "W1 to W8, S1, S2, P1, P2; W1 to W4 unless given.", isRepeated: true),
            .init(name: "--path", value: "PATH", help: "hub or direct; both unless given.", isRepeated: true),
            .init(name: "--rounds", value: "N", help: "Interleaved rounds, of which the median counts; by default 5."),
            .init(name: "--duration", value: "SECONDS", help: "How long each measurement lasts, by default 2."),
            .init(name: "--pin", value: "CPUS", help: "Pin to processors: 0, or 0,1 for the serving and the calling side."),
            .init(name: "--polling", help: "Poll before sleeping."),
        ] + HubConnection.options + [JSONOutput.option],
        examples: ["tk bench --workload W1 --pin 0"])

    static func run(_ arguments: Arguments) async throws {
        let pins = try processors(arguments)
        if let role = arguments.operand(0) {
            if role == "codec" {
                _ = try CodecBenchmark.run()
                return
            }
            guard let role = BenchRole(rawValue: role) else { throw UsageError("“\(role)” is no role: provider, caller or codec") }
            if let pin = pins.first, tk_pin(Int32(pin)) != 0 { throw CommandFailure("processor \(pin) cannot be had") }
            return try await role.run(arguments)
        }
        let workloads = try arguments.all("--workload").map { name in
            guard let workload = BenchWorkload(rawValue: name) else {
                throw UsageError("“\(name)” is no workload: W1 to W8, S1, S2, P1, P2")
            }
            return workload
        }
        let paths = try arguments.all("--path").map { name in
            guard let path = BenchPath(rawValue: name) else { throw UsageError("“\(name)” is no path: hub or direct") }
            return path
        }
        let runner = BenchRunner(
            workloads: workloads.isEmpty ? [.sequential, .pipelined, .large, .connections] : workloads,
            paths: paths.isEmpty ? BenchPath.allCases : paths, rounds: try arguments.number("--rounds", in: 1...1000) ?? 5,
            seconds: try arguments.number("--duration", in: 0.01...3600) ?? 2, pins: pins, polling: arguments.has("--polling"))
        if Version.build == "debug" {
            Terminal.error("this is a debug build, whose figures say nothing: `swift run -c release tk bench` shows what calls really cost")
        }
        let results = try runner.run()
        if arguments.has("--json") {
            for result in results { try JSONOutput.line(result) }
        } else {
            try Terminal.write(BenchReport.text(results))
        }
    }

    private static func processors(_ arguments: Arguments) throws -> [Int] {
        guard let text = arguments.value("--pin") else { return [] }
        let pins = text.split(separator: ",").compactMap { Int($0) }
        guard (1...2).contains(pins.count), pins.allSatisfy({ (0..<1024).contains($0) }) else {
            throw UsageError("--pin takes one processor or two: 0, or 0,1")
        }
        return pins
    }
}

/// The figures as a table for people.
enum BenchReport {
    static func text(_ results: [BenchResult]) -> String {
        let head = ["workload", "path", "calls/s", "p50 µs", "p99 µs", "max µs", "MiB/s", "ratio", "B/connection", "allocations"]
        let rows = results.map { result in
            [
                result.workload, result.path, number(result.calls_per_s, 0), number(result.p50_us, 1), number(result.p99_us, 1),
                number(result.max_us, 1), number(result.mb_per_s, 0), number(result.ratio_to_floor, 2),
                number(result.bytes_per_connection, 0), allocations(result),
            ]
        }
        return TextTable.lines([head] + rows)
    }

    /// Per call, the caller's and the provider's.
    private static func allocations(_ result: BenchResult) -> String {
        result.provider_allocations == 0
            ? "" : [result.caller_allocations, result.provider_allocations].map { number($0, 1) }.joined(separator: " + ")
    }

    private static func number(_ value: Double, _ places: Int) -> String {
        value == 0 ? "" : FigureText.decimal(value, places: places)
    }
}
