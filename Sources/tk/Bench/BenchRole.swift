internal import CSystem
internal import Glibc
internal import Reactor
internal import Telekinesis
internal import TelekinesisHub

/// One process of the benchmark.
enum BenchRole: String, CaseIterable {
    /// Publishes what is called, at the hub of `--hub`.
    case provider
    /// The same, with a hub in its own process.
    case direct
    /// A hub alone.
    case hub
    /// Runs one workload at the hub of `--hub`.
    case caller
    /// Opens connections and does nothing with them: the count is the operand.
    case idle
    /// Publishes names that nobody calls: the count is the operand.
    case names
    /// The raw echo server.
    case floorServer = "floor-server"
    /// The raw relay to the port that is the operand.
    case floorRelay = "floor-relay"
    /// A relay to the port that is the operand, with a delay.
    case slowRelay = "slow-relay"
    /// The raw client: port, size of a message, and for how many seconds.
    case floorClient = "floor-client"

    /// Runs the role until it is done or the process is asked to end.
    @MainActor
    func run(_ arguments: Arguments) async throws {
        let polling = arguments.has("--polling")
        switch self {
        case .provider:
            let node = try await Node.connect(to: arguments.value("--hub"), configuration: Self.configuration(polling))
            try await Self.publish(on: node)
            try Terminal.line("ready")
            try await node.run()
        case .hub:
            let hub = try await Hub.start(Self.hubConfiguration(polling))
            try Terminal.line("ready \(hub.url ?? "")")
            try await hub.run()
        case .direct:
            let hub = try await Hub.start(Self.hubConfiguration(polling))
            let node = try await Node.connect(to: hub, configuration: Self.configuration(polling))
            try await Self.publish(on: node)
            try Terminal.line("ready \(hub.url ?? "")")
            try await node.run()
        case .caller:
            guard let name = arguments.value("--workload"), let workload = BenchWorkload(rawValue: name) else {
                throw UsageError("a caller needs one --workload")
            }
            let seconds: Double = try arguments.number("--duration", in: 0.01...3600) ?? 2
            let caller = BenchCaller(
                hub: arguments.value("--hub") ?? Node.defaultAddress, workload: workload, seconds: seconds, polling: polling)
            try JSONOutput.line(await caller.run())
        case .idle, .names:
            try await crowd(count: Self.number(arguments, 1), arguments)
        case .floorServer:
            try Floor.echoServer { port in try? Terminal.line("\(port)") }
        case .floorRelay:
            try Floor.relay(to: UInt16(Self.number(arguments, 1))) { port in try? Terminal.line("\(port)") }
        case .slowRelay:
            try SlowRelay.run(to: UInt16(Self.number(arguments, 1))) { port in try? Terminal.line("\(port)") }
        case .floorClient:
            let size = Self.number(arguments, 2)
            try JSONOutput.line(
                FloorResult.measure(port: UInt16(Self.number(arguments, 1)), size: size, seconds: Double(Self.number(arguments, 3)) / 1000))
        }
    }

    private static func number(_ arguments: Arguments, _ index: Int) -> Int { arguments.operand(index).flatMap { Int($0) } ?? 0 }

    static func configuration(_ polling: Bool) -> NodeConfiguration {
        var configuration = NodeConfiguration()
        configuration.polling = polling
        configuration.maximumValue = 2 * BenchCaller.transferSize
        configuration.maximumPartialBytes = 2 * BenchCaller.transferSize
        return configuration
    }

    private static func hubConfiguration(_ polling: Bool) -> HubConfiguration {
        var configuration = HubConfiguration()
        configuration.port = 0
        configuration.polling = polling
        configuration.logger = .silent
        return configuration
    }

    private static func publish(on node: Node) async throws {
        try await node.publish(BenchTarget(on: node), as: "bench/target")
        try await node.publish(BenchTarget(on: node), as: "bench/other")
    }

    private func crowd(count: Int, _ arguments: Arguments) async throws {
        let group = try EventLoopGroup(loops: 1)
        var configuration = NodeConfiguration()
        configuration.logger = .silent
        let namesPerNode = 5_000
        var nodes: [Node] = []
        let connections = self == .idle ? count : (count + namesPerNode - 1) / namesPerNode
        for index in 0..<connections {
            let node = try await Node.connect(to: arguments.value("--hub"), configuration: configuration, on: group)
            if self == .names {
                let object = BenchTarget(on: node)
                for name in 0..<min(namesPerNode, count - index * namesPerNode) {
                    try await node.publish(object, as: "crowd/\(index)/\(name)")
                }
            }
            nodes.append(node)
        }
        try Terminal.line("ready")
        try await nodes.last?.run()
    }
}

/// What the raw floor takes.
struct FloorResult: Codable, Sendable {
    var calls_per_s: Double
    var p50_us: Double
    var p99_us: Double
    var mb_per_s: Double

    /// Exchanges messages with an echo server for so long.
    static func measure(port: UInt16, size: Int, seconds: Double) throws -> FloorResult {
        var latencies = Latencies()
        var client = try FloorClient(port: port)
        for _ in 0..<100 { try client.exchange(size) }
        let begin = now()
        let end = begin + UInt64(seconds * 1e9)
        var start = begin
        while start < end {
            try client.exchange(size)
            let finish = now()
            latencies.add(finish - start)
            start = finish
        }
        let elapsed = Double(start - begin) / 1e9
        let parts = latencies.percentiles([0.5, 0.99])
        return FloorResult(
            calls_per_s: Double(latencies.count) / elapsed, p50_us: parts[0], p99_us: parts[1],
            mb_per_s: Double(latencies.count * size) / Double(BenchCaller.megabyte) / elapsed)
    }
}
