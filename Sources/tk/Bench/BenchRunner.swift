internal import CSystem
internal import Glibc
internal import JSONText
internal import MessagePack
internal import Telekinesis

/// Runs the benchmark: processes of its own for every side, and the raw floor beside them in every round.
@MainActor
struct BenchRunner {
    let workloads: [BenchWorkload]
    let paths: [BenchPath]
    let rounds: Int
    let seconds: Double
    /// Processors for the serving and the calling side; empty: wherever the system puts them.
    let pins: [Int]
    let polling: Bool

    /// The figures of every workload on every path: medians over the rounds.
    func run() throws -> [BenchResult] {
        var results: [BenchResult] = []
        let calls = workloads.filter { $0 != .idle && $0 != .crowd }
        if !calls.isEmpty { results += try measureCalls(calls) }
        if workloads.contains(.idle) { results += try [1_000, 10_000].map { try measureIdle($0) } }
        if workloads.contains(.crowd) { results.append(try measureCrowd()) }
        return results
    }

    // MARK: Calls

    private struct Key: Hashable {
        let workload: BenchWorkload
        let path: BenchPath
    }

    private func measureCalls(_ workloads: [BenchWorkload]) throws -> [BenchResult] {
        let rig = try Rig.start(self)
        var samples: [Key: [BenchResult]] = [:]
        for _ in 0..<rounds {
            let echo = try rig.floor(.direct, size: Floor.messageSize)
            let relay = try rig.floor(.hub, size: Floor.messageSize)
            for workload in workloads {
                for path in paths {
                    var result = try rig.call(workload, path)
                    switch workload {
                    case .sequential, .busy, .transfer: result.ratio_to_floor = result.p50_us / (path == .hub ? relay : echo).p50_us
                    case .pipelined, .connections: result.ratio_to_floor = result.calls_per_s / echo.calls_per_s
                    case .large: result.ratio_to_floor = result.mb_per_s / (try rig.floor(path, size: Floor.bulkSize)).mb_per_s
                    case .numbers: result.ratio_to_floor = result.calls_per_s / (try rig.call(.pipelined, path)).calls_per_s
                    case .frames: result.ratio_to_floor = result.mb_per_s / (try rig.call(.large, path)).mb_per_s
                    case .idle, .crowd, .chain, .ahead: break
                    }
                    samples[Key(workload: workload, path: path), default: []].append(result)
                }
            }
            samples[Key(workload: .idle, path: .direct), default: []].append(Self.line("floor echo", echo))
            samples[Key(workload: .idle, path: .hub), default: []].append(Self.line("floor relay", relay))
        }
        let floors = BenchPath.allCases.reversed().map { Key(workload: .idle, path: $0) }
        let measured = workloads.flatMap { workload in paths.map { Key(workload: workload, path: $0) } }
        return (floors + measured).compactMap { key in samples[key].map(Self.medians) }
    }

    private static func line(_ name: String, _ floor: FloorResult) -> BenchResult {
        BenchResult(
            workload: name, path: "raw", calls_per_s: floor.calls_per_s, p50_us: floor.p50_us, p99_us: floor.p99_us, max_us: 0,
            mb_per_s: 0, ratio_to_floor: 1)
    }

    private static func medians(_ results: [BenchResult]) -> BenchResult {
        var result = results[0]
        result.calls_per_s = median(results.map(\.calls_per_s))
        result.p50_us = median(results.map(\.p50_us))
        result.p99_us = median(results.map(\.p99_us))
        result.max_us = median(results.map(\.max_us))
        result.mb_per_s = median(results.map(\.mb_per_s))
        result.ratio_to_floor = median(results.map(\.ratio_to_floor))
        result.caller_allocations = median(results.map(\.caller_allocations))
        result.provider_allocations = median(results.map(\.provider_allocations))
        return result
    }

    // MARK: Memory

    /// What the hub's own memory grows by for each of so many idle connections.
    private func measureIdle(_ count: Int) throws -> BenchResult {
        var hub = try Rig.startHub(self)
        let before = try Self.proportionalSetSize(of: hub.process.id)
        var idle = try start(.idle, ["\(count)", "--hub", hub.url], pin: pins.last)
        guard try idle.readLine(within: 300) == "ready" else { throw CommandFailure("the idle connections did not open") }
        let after = try Self.proportionalSetSize(of: hub.process.id)
        idle.stop()
        hub.process.stop()
        return BenchResult(
            workload: BenchWorkload.idle.rawValue, path: "\(count) connections", calls_per_s: 0, p50_us: 0, p99_us: 0, max_us: 0,
            mb_per_s: 0, ratio_to_floor: 0, bytes_per_connection: Double(after - before) / Double(count))
    }

    /// The memory of a process in bytes, shared pages divided among those that share them (proc(5), smaps_rollup).
    private static func proportionalSetSize(of process: pid_t) throws -> Int {
        guard let file = fopen("/proc/\(process)/smaps_rollup", "r") else { throw CommandFailure("the memory of the hub cannot be read") }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, 256, file) != nil {
            let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
            if words.first == "Pss:", let kilobytes = Int(words[1]) { return kilobytes * 1024 }
        }
        throw CommandFailure("the memory of the hub cannot be read")
    }

    // MARK: Crowd

    /// W1 at a crowded hub against W1 at an empty one, in interleaved pairs.
    private func measureCrowd() throws -> BenchResult {
        let empty = try Rig.start(self)
        let crowded = try Rig.start(self)
        var names = try start(.names, ["100000", "--hub", crowded.hubURL], pin: pins.last)
        guard try names.readLine(within: 600) == "ready" else { throw CommandFailure("the names were not published") }
        var idle = try start(.idle, ["1000", "--hub", crowded.hubURL], pin: pins.last)
        guard try idle.readLine(within: 300) == "ready" else { throw CommandFailure("the idle connections did not open") }
        var results: [BenchResult] = []
        for _ in 0..<max(10, rounds) {
            let one = try empty.call(.sequential, .hub)
            var two = try crowded.call(.sequential, .hub)
            two.workload = BenchWorkload.crowd.rawValue
            two.path = "100000 names"
            two.ratio_to_floor = two.p50_us / one.p50_us
            results.append(two)
        }
        idle.stop()
        names.stop()
        return Self.medians(results)
    }

    // MARK: Processes

    fileprivate func start(_ role: BenchRole, _ words: [String], pin: Int?) throws -> ChildProcess {
        var arguments = ["bench", role.rawValue] + words
        if let pin { arguments += ["--pin", "\(pin)"] }
        if polling { arguments.append("--polling") }
        return try ChildProcess(arguments, output: .piped)
    }
}

/// The processes that serve: provider and hub, a provider that is its own hub, and the raw servers.
@MainActor
private struct Rig: ~Copyable {
    struct Served: ~Copyable {
        var process: ChildProcess
        let url: String
    }

    let runner: BenchRunner
    let hub: Served
    let provider: ChildProcess
    let direct: Served
    let floorServer: ChildProcess
    let floorRelay: ChildProcess
    let floorPort: String
    let relayPort: String

    var hubURL: String { hub.url }

    static func start(_ runner: BenchRunner) throws -> Rig {
        let pin = runner.pins.first
        var floorServer = try runner.start(.floorServer, [], pin: pin)
        let floorPort = try floorServer.readLine() ?? ""
        var floorRelay = try runner.start(.floorRelay, [floorPort], pin: pin)
        let relayPort = try floorRelay.readLine() ?? ""
        let hub = try startHub(runner)
        var provider = try runner.start(.provider, ["--hub", hub.url], pin: pin)
        guard try provider.readLine() == "ready" else { throw CommandFailure("the provider did not start") }
        var process = try runner.start(.direct, [], pin: pin)
        guard let url = try process.readLine()?.split(separator: " ").last else { throw CommandFailure("the provider did not start") }
        return Rig(
            runner: runner, hub: hub, provider: provider, direct: Served(process: process, url: String(url)), floorServer: floorServer,
            floorRelay: floorRelay, floorPort: floorPort, relayPort: relayPort)
    }

    static func startHub(_ runner: BenchRunner) throws -> Served {
        var process = try runner.start(.hub, [], pin: runner.pins.first)
        guard let url = try process.readLine()?.split(separator: " ").last else { throw CommandFailure("the hub did not start") }
        return Served(process: process, url: String(url))
    }

    /// Runs a workload once.
    func call(_ workload: BenchWorkload, _ path: BenchPath) throws -> BenchResult {
        let url = path == .hub ? hub.url : direct.url
        guard workload.isRemote else { return try call(workload, path, at: url) }
        var relay = try runner.start(.slowRelay, [url.split(separator: ":").last.map(String.init) ?? ""], pin: runner.pins.first)
        defer { relay.stop() }
        return try call(workload, path, at: "ws://127.0.0.1:\(relay.readLine() ?? "")")
    }

    private func call(_ workload: BenchWorkload, _ path: BenchPath, at url: String) throws -> BenchResult {
        let words = ["--hub", url, "--workload", workload.rawValue, "--duration", "\(runner.seconds)"]
        var caller = try runner.start(.caller, words, pin: runner.pins.last)
        guard let line = try caller.readLine(within: 180), caller.wait() == 0 else {
            throw CommandFailure("the caller of \(workload.rawValue) failed")
        }
        var result = try Self.read(BenchResult.self, line)
        result.path = path.rawValue
        return result
    }

    /// Measures the raw floor of a path: an echo for the direct one, a relay for the one through a hub.
    func floor(_ path: BenchPath, size: Int) throws -> FloorResult {
        let words = [path == .hub ? relayPort : floorPort, "\(size)", "\(Int(runner.seconds * 1000))"]
        var client = try runner.start(.floorClient, words, pin: runner.pins.last)
        guard let line = try client.readLine(within: 180), client.wait() == 0 else { throw CommandFailure("the floor failed") }
        return try Self.read(FloorResult.self, line)
    }

    private static func read<Value: Decodable>(_ type: Value.Type, _ line: String) throws -> Value {
        try MessagePackDecoder(origin: .json).decode(type, from: JSONText.toMessagePack(Array(line.utf8)))
    }
}
