internal import Telekinesis

/// The caller of `tk demo`, in a process of its own.
enum DemoCallerCommand: Command {
    static let syntax = CommandSyntax(
        name: "demo-caller", summary: "Call what the provider of `tk demo` publishes.", options: HubConnection.options, isHidden: true)

    private static let timedCalls = 1_000

    static func run(_ arguments: Arguments) async throws {
        let node = try await Node.connect(to: arguments.value("--hub"))

        let counter = try await node.resolve("demo/counter", as: Counter.self)
        try say("object   counter.increment(by: 100)", try await counter.increment(by: 100))

        let makeCounter = node.class("demo/Counter", of: Counter.self)
        let mine = try makeCounter(123)
        try say("class    let mine = try makeCounter(123); mine.value", try await mine.value)
        try say("         mine.increment(by: 100)", try await mine.increment(by: 100))

        let hello: RemoteFunction<(String) -> String> = try await node.function("demo/hello")
        try say("function hello(\"Awesome\")", try await hello("Awesome"))

        let times = try await withTaskExecutorPreference(node.executor) { try await time(counter) }
        let median = FigureText.decimal(times[times.count / 2] / .microseconds(1), places: 0)
        let late = FigureText.decimal(times[times.count * 99 / 100] / .microseconds(1), places: 0)
        try Terminal.line("")
        try Terminal.line(
            "\(FigureText.grouped(times.count)) calls one after another, through the hub: \(median) µs each (p50), \(late) µs (p99)")
        await node.close()
    }

    private static func say(_ call: String, _ result: some CustomStringConvertible) throws {
        let padding = String(repeating: " ", count: max(0, 53 - call.count))
        try Terminal.line("\(call)\(padding) → \(result)")
    }

    /// How long each of a number of calls took, sorted.
    private nonisolated static func time(_ counter: Counter) async throws -> [Duration] {
        let clock = ContinuousClock()
        var times: [Duration] = []
        times.reserveCapacity(timedCalls)
        for _ in 0..<timedCalls {
            let start = clock.now
            _ = try await counter.increment()
            times.append(clock.now - start)
        }
        return times.sorted()
    }
}
