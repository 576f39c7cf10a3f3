import Distributed
import Reactor
import Synchronization
import Telekinesis
import TelekinesisHub
import Testing

/// Calls of one caller to one object start in the order in which they were made, also when jobs that do not end lose the loop to another thread.
@Suite(.timeLimit(.minutes(5))) struct OrderTests {
    #if DEBUG
        private static let calls = 100_000
    #else
        private static let calls = 1_000_000
    #endif

    @Test func callsStayInOrderThroughAHubAndOverHandOvers() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Ledger(on: provider), as: "demo/ledger")
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        let ledger = try await caller.resolve("demo/ledger", as: Ledger.self)
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        let pause = Self.calls / 10
        try await withTaskExecutorPreference(caller.executor) {
            try await withThrowingTaskGroup { group in
                for number in 0..<Self.calls {
                    // Now and then the object itself, or another one, keeps the provider's loop for so long that it loses it.
                    let isLong = number % pause == pause / 2
                    if number % pause == 0 { group.addImmediateTask { try await probe.compute(milliseconds: 60) } }
                    group.addImmediateTask { try await ledger.record(number, computing: isLong ? 60 : 0) }
                    if number >= 2_000 { try await group.next() }
                }
                try await group.waitForAll()
            }
        }
        let (count, strays, losses) = try await (ledger.count(), ledger.strays(), ledger.losses())
        print("\(count) calls, the loop was lost \(losses) times in them")
        #expect(count == Self.calls)
        #expect(strays == [])
        #expect(losses > 0, "no hand-over, nothing tested")
        await caller.close()
        await provider.close()
        await hub.stop()
    }

    /// Where the hub is in the provider's process, calls come on the hub's loops.
    @Test func callsThatWaitedForAnInstanceAreNotPassedByThoseThatComeOnAnotherLoop() async throws {
        let hub = try await startHub { $0.loops = 2 }
        let provider = try await Node.connect(to: hub)
        try await provider.publish(class: "demo/Ledger") {
            try await Task.sleep(for: .milliseconds(20))
            return Ledger(on: provider)
        }
        // Their connections are on one and on the other loop of the hub.
        for _ in 0..<4 {
            let caller = try await hub.connect()
            let ledger = try caller.class("demo/Ledger", of: Ledger.self)()
            try await withTaskExecutorPreference(caller.executor) {
                try await withThrowingTaskGroup { group in
                    for number in 0..<2_000 {
                        group.addImmediateTask { try await ledger.record(number, computing: 0) }
                        if number % 40 == 0 { try await Task.sleep(for: .milliseconds(1)) }
                    }
                    try await group.waitForAll()
                }
            }
            let (count, strays) = try await (ledger.count(), ledger.strays())
            #expect(count == 2_000)
            #expect(strays == [])
            await caller.close()
        }
        await provider.close()
        await hub.stop()
    }

    /// And calls to other objects do not.
    @Test(.serialized, arguments: [0, 20_000]) func laterCallsToTheSameObjectWaitForArgumentsThatTakeLongToRead(padding: Int) async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Ledger(on: provider), as: "demo/ledger")
        try await provider.publish(Ledger(on: provider), as: "demo/other")
        LongToRead.othersWereServed.store(false, ordering: .relaxed)
        let ledger = try await caller.resolve("demo/ledger", as: Ledger.self)
        let other = try await caller.resolve("demo/other", as: Ledger.self)
        try await withTaskExecutorPreference(caller.executor) {
            try await withThrowingTaskGroup { group in
                for number in 0..<60 {
                    group.addImmediateTask {
                        if number % 20 == 0 {
                            try await ledger.record(number, with: LongToRead(padding: padding))
                        } else {
                            try await ledger.record(number, computing: 0)
                        }
                    }
                }
                try await other.record(0, computing: 0)
                LongToRead.othersWereServed.store(true, ordering: .relaxed)
                try await group.waitForAll()
            }
        }
        let (count, strays) = try await (ledger.count(), ledger.strays())
        #expect(count == 60)
        #expect(strays == [])
        await caller.close()
        await provider.close()
        await hub.stop()
    }
}

/// Takes its thread so long to read that the thread loses its loop, and longer, until others have been served. (Publishing reads made-up ones.)
struct LongToRead: Codable {
    static let othersWereServed = Atomic<Bool>(true)

    private let padding: [Int]

    init(padding: Int) { self.padding = [Int](repeating: 7, count: padding) }

    init(from decoder: any Decoder) throws {
        padding = try decoder.singleValueContainer().decode([Int].self)
        let start = ContinuousClock.now
        while ContinuousClock.now < start + .milliseconds(60) || !Self.othersWereServed.load(ordering: .relaxed) {
            guard ContinuousClock.now < start + .seconds(20) else { throw TelekinesisError(.deadlineExceeded, "nobody else was served") }
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(padding)
    }
}

/// A call that was not executed in its turn.
struct Stray: Codable, Equatable {
    var number: Int
    var place: Int
}

/// Notes whether numbers come in order.
private distributed actor Ledger {
    private var next = 0
    private var outOfOrder: [Stray] = []
    private var lost = 0

    init(on node: Node) { actorSystem = node }

    distributed func record(_ number: Int, with argument: LongToRead) { record(number, computing: 0) }

    distributed func record(_ number: Int, computing milliseconds: Int) {
        if number != next, outOfOrder.count < 10 { outOfOrder.append(Stray(number: number, place: next)) }
        next += 1
        guard milliseconds > 0 else { return }
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while ContinuousClock.now < end {}
        if EventLoop.current == nil { lost += 1 }
    }

    distributed func count() -> Int { next }
    distributed func strays() -> [Stray] { outOfOrder }
    /// How often its thread had lost the loop when it had computed.
    distributed func losses() -> Int { lost }
}
