internal import CAllocations
internal import Glibc
internal import Reactor
internal import Telekinesis

/// The caller's side of a workload, in a process of its own.
struct BenchCaller: Sendable {
    let hub: String
    let workload: BenchWorkload
    let seconds: Double
    let polling: Bool

    static let megabyte = 1024 * 1024
    static let transferSize = 256 * megabyte

    /// Runs the workload and says what came of it; ratios are left to whoever knows the floor.
    func run() async throws -> BenchResult {
        let group = try EventLoopGroup(loops: 1, polling: polling ? .upTo(nanoseconds: 50_000) : .off)
        defer { group.shutdown() }
        var configuration = NodeConfiguration()
        configuration.maximumValue = 2 * Self.transferSize
        configuration.maximumPartialBytes = 2 * Self.transferSize
        var targets: [BenchTarget] = []
        for _ in 0..<workload.shape.connections {
            let node = try await Node.connect(to: hub, configuration: configuration, on: group)
            targets.append(try await node.resolve("bench/target", as: BenchTarget.self, waitingUpTo: .seconds(10)))
        }
        let first = targets[0]
        let bystander = try await first.actorSystem.resolve("bench/other", as: BenchTarget.self, waitingUpTo: .seconds(10))
        let work = targets
        return try await Task(executorPreference: group.loops[0]) {
            switch workload {
            case .large:
                let payload = [UInt8](repeating: 42, count: Self.megabyte)
                return try await measure(work, bytesPerCall: payload.count) { _ = try await $0.echo(payload) }
            case .busy:
                async let other = bystander.compute(milliseconds: 2000)
                let result = try await measure(work, seconds: 2) { _ = try await $0.increment(by: 1) }
                _ = try await other
                return result
            case .transfer:
                let payload = [UInt8](repeating: 42, count: Self.transferSize)
                let begin = now()
                let transfer = Task { try await withDeadline(.seconds(120)) { try await bystander.take(payload) } }
                let done = Flag()
                Task {
                    _ = try? await transfer.value
                    done.set()
                }
                var result = try await measure(work, until: { done.isSet }) { _ = try await $0.increment(by: 1) }
                _ = try await transfer.value
                result.mb_per_s = Double(payload.count) / Double(Self.megabyte) / (Double(now() - begin) / 1e9)
                return result
            case .chain, .ahead:
                let single = try await measure(work, seconds: min(seconds, 0.5)) { _ = try await $0.increment(by: 1) }
                var result =
                    workload == .chain
                    ? try await measure(work) { _ = try await Self.chain($0) }
                    : try await measure(work) { start in _ = try await withPipelining { try await Self.chain(start) } }
                result.ratio_to_floor = result.p50_us / single.p50_us
                return result
            case .numbers: return try await read(first.numbers(), bytesPerElement: 0)
            case .frames: return try await read(first.frames(of: Self.megabyte), bytesPerElement: Self.megabyte)
            default:
                return try await measure(work) { _ = try await $0.increment(by: 1) }
            }
        }.value
    }

    /// Calls, each on what the one before returns.
    private static func chain(_ start: BenchTarget) async throws -> Int {
        var target = start
        for _ in 1..<BenchWorkload.chainLength { target = try await target.next() }
        return try await target.increment(by: 1)
    }

    /// Reads a stream for the given time. A tenth of it goes before, to warm up.
    private func read<Element>(_ stream: RemoteStream<Element>, bytesPerElement: Int) async throws -> BenchResult {
        var iterator = stream.makeAsyncIterator()
        func read(until end: UInt64) async throws -> Int {
            var count = 0
            // Reading the clock costs as much as reading a number.
            while count & 15 != 0 || now() < end {
                guard try await iterator.next() != nil else { break }
                count += 1
            }
            return count
        }
        _ = try await read(until: now() + UInt64(seconds * 1e8))
        let begin = now()
        let count = try await read(until: begin + UInt64(seconds * 1e9))
        let elapsed = Double(now() - begin) / 1e9
        return BenchResult(
            workload: workload.rawValue, path: "", calls_per_s: Double(count) / elapsed, p50_us: 0, p99_us: 0, max_us: 0,
            mb_per_s: Double(count * bytesPerElement) / Double(Self.megabyte) / elapsed, ratio_to_floor: 0)
    }

    /// Keeps calls under way for the given time. A tenth of it goes before, to warm up.
    private func measure(
        _ targets: [BenchTarget], seconds: Double? = nil, bytesPerCall: Int = 0, until isDone: (@Sendable () -> Bool)? = nil,
        _ call: @escaping @Sendable (BenchTarget) async throws -> Void
    ) async throws -> BenchResult {
        let seconds = seconds ?? self.seconds
        if isDone == nil, workload != .busy { _ = try await keepCalling(targets, until: after(seconds / 10), call) }
        let first = try await allocations(targets[0])
        let begin = now()
        let latencies = try await keepCalling(targets, until: isDone ?? after(seconds), call)
        let elapsed = Double(now() - begin) / 1e9
        let last = try await allocations(targets[0])
        let parts = latencies.percentiles([0.5, 0.99, 1])
        let calls = Double(max(latencies.count, 1))
        return BenchResult(
            workload: workload.rawValue, path: "", calls_per_s: Double(latencies.count) / elapsed, p50_us: parts[0], p99_us: parts[1],
            max_us: parts[2], mb_per_s: Double(latencies.count * bytesPerCall) / Double(Self.megabyte) / elapsed, ratio_to_floor: 0,
            caller_allocations: Double(last.caller - first.caller) / calls,
            provider_allocations: Double(last.provider - first.provider) / calls)
    }

    /// Allocations of both processes so far.
    private func allocations(_ target: BenchTarget) async throws -> (caller: UInt64, provider: UInt64) {
        (allocations_of_this_process(), try await target.allocations())
    }

    private func keepCalling(
        _ targets: [BenchTarget], until isDone: @escaping @Sendable () -> Bool,
        _ call: @escaping @Sendable (BenchTarget) async throws -> Void
    ) async throws -> Latencies {
        try await withThrowingTaskGroup(of: Latencies.self) { group in
            for target in targets {
                for _ in 0..<workload.shape.inFlight {
                    group.addTask {
                        var latencies = Latencies()
                        var start = now()
                        while !isDone() {
                            try await call(target)
                            let end = now()
                            latencies.add(end - start)
                            start = end
                        }
                        return latencies
                    }
                }
            }
            var all = Latencies()
            for try await latencies in group { all.add(latencies) }
            return all
        }
    }

    private func after(_ seconds: Double) -> @Sendable () -> Bool {
        let end = now() + UInt64(seconds * 1e9)
        return { now() >= end }
    }
}

/// Nanoseconds of the monotonic clock.
func now() -> UInt64 {
    MonotonicClock.now
}
