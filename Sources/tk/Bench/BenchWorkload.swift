internal import Synchronization

/// What is measured.
enum BenchWorkload: String, CaseIterable, Sendable {
    /// One call at a time.
    case sequential = "W1"
    /// 64 calls under way on one connection.
    case pipelined = "W2"
    /// One echo of 1 MiB at a time.
    case large = "W3"
    /// 16 connections with 16 calls under way on each.
    case connections = "W4"
    /// What an idle connection costs the hub in memory.
    case idle = "W5"
    /// One call at a time while a method of another object computes for two seconds.
    case busy = "W6"
    /// One call at a time while 256 MiB go to another object on the same connection.
    case transfer = "W7"
    /// One call at a time at a hub with 100,000 names and 1,000 idle connections.
    case crowd = "W8"
    /// A stream of 64-bit integers.
    case numbers = "S1"
    /// A stream of elements of 1 MiB.
    case frames = "S2"

    /// So many calls, each on what the one before returns, over a long way; each awaited.
    case chain = "P1"
    /// The same, sent ahead.
    case ahead = "P2"

    /// Calls of a chain.
    static let chainLength = 16

    /// Whether the caller is far away.
    var isRemote: Bool { self == .chain || self == .ahead }

    /// Connections that the caller opens, and calls that it keeps under way on each.
    var shape: (connections: Int, inFlight: Int) {
        switch self {
        case .pipelined: (1, 64)
        case .connections: (16, 16)
        default: (1, 1)
        }
    }
}

/// Where the hub is.
enum BenchPath: String, CaseIterable, Sendable {
    /// Provider, hub and caller are processes of their own.
    case hub
    /// The hub is in the provider's process.
    case direct
}

/// One line of the report.
struct BenchResult: Codable, Sendable {
    var workload: String
    var path: String
    var calls_per_s: Double
    var p50_us: Double
    var p99_us: Double
    var max_us: Double
    var mb_per_s: Double
    /// W1, W6–W8: p50 to that of the raw floor; W2, W4: calls per second to the sequential raw echo's; W3: bytes per second to the raw relay's or
    /// echo's; S1: elements per second to the calls per second of W2; S2: bytes per second to those of W3; P1, P2: p50 of the whole chain to that of a
    /// single call. 0 where there is no floor.
    var ratio_to_floor: Double
    /// W5: bytes of the hub's own memory that an idle connection takes.
    var bytes_per_connection: Double = 0
    /// Blocks of memory that the caller's process asks for with each call; 0 where that is not counted.
    var caller_allocations: Double = 0
    /// The same for the provider's process, with the hub's if that is in it.
    var provider_allocations: Double = 0
    /// Figures of a debug build say nothing.
    var build = Version.build
}

/// Times of single calls, in nanoseconds.
struct Latencies: Sendable {
    private var samples: [UInt64] = []

    mutating func add(_ nanoseconds: UInt64) { samples.append(nanoseconds) }

    mutating func add(_ others: Latencies) { samples += others.samples }

    var count: Int { samples.count }

    /// The time that this part of the calls did not exceed, in microseconds.
    func percentiles(_ parts: [Double]) -> [Double] {
        guard !samples.isEmpty else { return parts.map { _ in 0 } }
        let sorted = samples.sorted()
        return parts.map { Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * $0))]) / 1000 }
    }
}

/// The middle of several figures.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return sorted.count % 2 == 1 ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
}

/// Something that has happened, or not yet.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    func set() { value.store(true, ordering: .releasing) }

    var isSet: Bool { value.load(ordering: .acquiring) }
}
