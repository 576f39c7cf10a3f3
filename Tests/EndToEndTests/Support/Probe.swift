import Distributed
import Synchronization
@testable import Telekinesis

/// An object with a method for each thing that a test wants to see.
distributed actor Probe {
    private let watch: Watch?
    private var numbers: [Int] = []
    private var gate: Gate?

    init(on node: Node, _ watch: Watch? = nil, gate: Gate? = nil) {
        actorSystem = node
        self.watch = watch
        self.gate = gate
        watch?.began()
    }

    deinit { watch?.ended() }

    distributed func add(_ number: Int) { numbers.append(number) }

    /// Notes the number before the first suspension.
    distributed func addAndWait(_ number: Int) async {
        numbers.append(number)
        await Task.yield()
    }

    distributed func added() -> [Int] { numbers }

    distributed func size(of bytes: [UInt8]) -> Int { bytes.count }

    distributed func sized(_ bytes: [UInt8], number: Int) { numbers.append(number) }

    distributed func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }

    /// Takes a moment.
    distributed func pause() async { for _ in 0..<5 { await Task.yield() } }

    /// Runs until the test opens the gate.
    distributed func wait() async -> String {
        await gate?.pass()
        return "done"
    }

    /// Runs until the test opens the gate, then answers with much.
    distributed func waitForBytes(_ count: Int) async -> [UInt8] {
        await gate?.pass()
        return [UInt8](repeating: 7, count: count)
    }

    /// Runs until its caller gives up.
    distributed func hang() async throws {
        watch?.entered()
        do {
            try await Task.sleep(for: .seconds(3600))
        } catch {
            watch?.cancelled()
            throw error
        }
    }

    /// Occupies its thread.
    distributed func compute(milliseconds: Int) {
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while ContinuousClock.now < end {}
    }

    /// Calls another object, which never answers.
    distributed func hangElsewhere(_ name: String) async throws {
        try await actorSystem.resolve(name, as: Probe.self).hang()
    }

    /// Milliseconds until its caller, or the caller's caller, gives up.
    distributed func timeLeft(by way: [String]) async throws -> Int {
        if let next = way.first { return try await actorSystem.resolve(next, as: Probe.self).timeLeft(by: Array(way.dropFirst())) }
        guard let deadline = CallScope.current.deadline else { return -1 }
        return Int((deadline - CallScope.now) / 1_000_000)
    }

    distributed func generic<Value: Codable & Sendable>(_ value: Value) -> Value { value }

    distributed func take(_ other: Probe) {}

    distributed func me() -> Probe { self }
}

/// What the probes of a test have come to.
final class Watch: Sendable {
    private struct State {
        var alive = 0
        var entered = 0
        var cancelled = 0
    }

    private let state = Mutex(State())

    func began() { state.withLock { $0.alive += 1 } }
    func ended() { state.withLock { $0.alive -= 1 } }
    func entered() { state.withLock { $0.entered += 1 } }
    func cancelled() { state.withLock { $0.cancelled += 1 } }

    /// Probes that have not ended.
    var alive: Int { state.withLock { $0.alive } }
    /// How often `hang` began.
    var enteredCount: Int { state.withLock { $0.entered } }
    /// How often `hang` was cancelled.
    var cancelledCount: Int { state.withLock { $0.cancelled } }
}

/// Holds whoever comes until it is opened.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var arrived = 0
    }

    private let state = Mutex(State())

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                state.arrived += 1
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// How many have come.
    var arrived: Int { state.withLock { $0.arrived } }
}

/// What happened, in order.
final class Journal: Sendable {
    private let state = Mutex<[String]>([])

    func note(_ entry: String) { state.withLock { $0.append(entry) } }

    var entries: [String] { state.withLock { $0 } }
}
