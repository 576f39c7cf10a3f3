import Distributed
import Reactor
import Synchronization
import TelekinesisHub
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Each call ends exactly once, however many reasons there are for its end. (A second end would stop the process.)
@Suite(.timeLimit(.minutes(5))) struct OneAnswerTests {
    @Test func callsThatRaceWithDeadlineAndCancellationEndOnce() async throws {
        let hub = try await startHub { $0.limits.cancels = .init(perSecond: 1_000_000, burst: 1_000_000) }
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        let journal = Journal()
        let count = 100_000
        let workers = 50
        try await withThrowingTaskGroup { group in
            for _ in 0..<workers {
                group.addTask {
                    for round in 0..<count / workers {
                        let task = Task {
                            switch round % 3 {
                            case 0: try await withDeadline(.after(.microseconds(.random(in: 0..<3_000)))) { try await probe.pause() }
                            default: try await probe.pause()
                            }
                        }
                        if round % 3 == 1 {
                            for _ in 0..<Int.random(in: 0..<20) { await Task.yield() }
                            task.cancel()
                        }
                        do {
                            try await task.value
                            journal.note("answered")
                        } catch let error as TelekinesisError {
                            journal.note(error.code.description)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(Set(journal.entries) == ["answered", "deadlineExceeded", "cancelled"])
        #expect(journal.entries.count == count)
        try await eventually { caller.isIdle && provider.isIdle && hub.statistics.openCalls == 0 }
        await hub.stop()
    }

    @Test func aDeadlineHoldsForTheCallsThatACallMakes() async throws {
        let hub = try await startHub()
        let (one, two, caller) = (try await hub.connect(), try await hub.connect(), try await hub.connect())
        let watch = Watch()
        try await one.publish(Probe(on: one), as: "demo/one")
        try await two.publish(Probe(on: two, watch), as: "demo/two")
        let probe = try await caller.resolve("demo/one", as: Probe.self)
        let time = try await withDeadline(.seconds(8)) { try await probe.timeLeft(by: ["demo/two", "demo/one"]) }
        #expect(time > 1_000 && time <= 8_000)
        #expect(try await withDeadline(.never) { try await probe.timeLeft(by: ["demo/two"]) } == -1)
        // An inner deadline can only be shorter.
        let inner = try await withDeadline(.seconds(8)) { try await withDeadline(.never) { try await probe.timeLeft(by: []) } }
        #expect(inner > 1_000 && inner <= 8_000)
        await hub.stop()
    }

    @Test func cancellationReachesWhatACallCallsInTurn() async throws {
        let hub = try await startHub()
        let (one, two, caller) = (try await hub.connect(), try await hub.connect(), try await hub.connect())
        let watch = Watch()
        try await one.publish(Probe(on: one), as: "demo/one")
        try await two.publish(Probe(on: two, watch), as: "demo/two")
        let probe = try await caller.resolve("demo/one", as: Probe.self)
        let task = Task { try await probe.hangElsewhere("demo/two") }
        try await eventually { watch.enteredCount == 1 }
        task.cancel()
        #expect(try await failure { try await task.value }.code == .cancelled)
        try await eventually { watch.cancelledCount == 1 && one.isIdle && two.isIdle && hub.statistics.openCalls == 0 }
        await hub.stop()
    }

    @Test func aLateAnswerIsDropped() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let gate = Gate()
        try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        for count in [10, 3_000_000] {
            let error = try await failure { try await withDeadline(.milliseconds(300)) { try await probe.waitForBytes(count) } }
            #expect(error.code == .deadlineExceeded)
            #expect(error.message.contains("waitForBytes"))
        }
        #expect(caller.isIdle)
        #expect(hub.statistics.openCalls == 2)
        gate.open()
        try await eventually { provider.isIdle && hub.statistics.openCalls == 0 }
        #expect(try await probe.wait() == "done")
        #expect(caller.isIdle)
        await hub.stop()
    }

    @Test func aFloodOfCallsThatAreCancelledIsBounded() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let gate = Gate()
        try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        await withTaskGroup { group in
            for _ in 0..<20 {
                group.addTask {
                    for _ in 0..<750 {
                        let task = Task.immediate { try await probe.wait() }
                        task.cancel()
                        do {
                            _ = try await task.value
                        } catch let error as TelekinesisError where error.code == .cancelled {
                        } catch let error as TelekinesisError where error.code == .overloaded {
                            // So many are not yet answered that the hub takes no more.
                        } catch {
                            Issue.record(error)
                        }
                    }
                }
            }
        }
        // 15,000 calls began and were given up; 10,000 of them at most are still counted anywhere.
        #expect(caller.isIdle)
        #expect(hub.statistics.openCalls <= 10_000)
        #expect(provider.underWay.allSatisfy { $0 <= 10_000 })
        gate.open()
        try await eventually { provider.isIdle && hub.statistics.openCalls == 0 }
        #expect(try await probe.wait() == "done")
        await hub.stop()
    }

    @Test func callsGivenUpWithoutAConnectionAreForgotten() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (provider, caller) = (try await hub.connect(), try await way.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        way.lead(to: nil)
        way.line?.cut()
        for _ in 0..<1_000 {
            let task = Task.immediate { try await counter.increment(by: 1) }
            task.cancel()
            let error = try await failure { try await task.value }
            #expect(error.code == .cancelled && error.ran == .no)
        }
        #expect(caller.session.state.withLock { $0.held.count } < 100)
        way.lead(to: hub)
        #expect(try await counter.increment(by: 1) == 1)
        await hub.stop()
    }

    @Test func theDefaultDeadlineSaysHowToAllowMore() async throws {
        let clock = VirtualClock()
        let hub = try await startHub()
        let way = try CuttableHub(hub, clock: .virtual(clock))
        let (provider, caller) = (try await hub.connect(), try await way.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        way.line?.hold(towardsHub: true, towardsNode: true)
        let end = Journal()
        let task = Task.immediate {
            defer { end.note("ended") }
            return try await counter.increment(by: 1)
        }
        await clock.advance(by: 29_900_000_000)
        #expect(end.entries == [])
        await clock.advance(by: 200_000_000)
        let error = try await failure { try await task.value }
        #expect(error.code == .deadlineExceeded)
        #expect(error.ran == .maybe)
        #expect(error.message.contains("increment(by: Int)") && error.message.contains("30 s") && error.message.contains("withDeadline"))
        // The answer comes late, and disturbs nobody.
        way.line?.letGo()
        _ = try await counter.value
        #expect(caller.isIdle)
        await hub.stop()
    }

    @Test func theEarlierOfTwoDeadlinesIsKeptWhoeverSetsItFirst() async throws {
        let clock = VirtualClock()
        let hub = try await startHub()
        let way = try CuttableHub(hub, clock: .virtual(clock))
        let (provider, caller) = (try await hub.connect(), try await way.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        way.line?.hold(towardsHub: true, towardsNode: true)
        let journal = Journal()
        var tasks: [Task<Void, Never>] = []
        for seconds in [20, 5, 10, 1, 15] {
            tasks.append(
                Task.immediate {
                    _ = try? await withDeadline(.seconds(Double(seconds))) { try await counter.increment(by: 1) }
                    journal.note("\(seconds)")
                })
        }
        for (time, ended) in [(2, 1), (4, 2), (5, 3), (5, 4), (5, 5)] {
            await clock.advance(by: UInt64(time) * 1_000_000_000)
            try await eventually { journal.entries.count == ended }
        }
        #expect(journal.entries == ["1", "5", "10", "15", "20"])
        for task in tasks { await task.value }
        await hub.stop()
    }
}

/// A result that cannot be written is the fault of its provider, and the method has run.
@Suite struct UnwritableResultTests {
    @Test func methodsAndFunctionsSaySoAlike() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Speechless(on: provider), as: "demo/speechless")
        try await provider.publish(function: "demo/speechless/function") { Unwritable() }
        let object = try await caller.resolve("demo/speechless", as: Speechless.self)
        let function: RemoteFunction<() -> Unwritable> = try await caller.function("demo/speechless/function")
        for error in [try await failure { try await object.say() }, try await failure { try await function() }] {
            #expect(error.code == .badResult && error.ran == .yes)
            #expect(error.message.hasPrefix("the result, a Unwritable, cannot be encoded: "), "\(error.message)")
        }
        await hub.stop()
    }
}

struct Unwritable: Codable {
    init() {}
    init(from decoder: any Decoder) throws {}
    func encode(to encoder: any Encoder) throws {
        throw EncodingError.invalidValue(0, .init(codingPath: [], debugDescription: "words fail it"))
    }
}

distributed actor Speechless {
    init(on node: Node) { actorSystem = node }
    distributed func say() -> Unwritable { Unwritable() }
}
