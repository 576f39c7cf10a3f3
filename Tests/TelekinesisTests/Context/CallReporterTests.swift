import Synchronization
import Testing

@testable import Telekinesis

/// What methods tell, on its way to whoever listens.
@Suite(.timeLimit(.minutes(1))) struct CallReporterTests {
    @Test func aSlowListenerHearsTheLatest() async throws {
        let heard = Mutex<[[CallProgress]]>([])
        let (gate, key) = AsyncStream.makeStream(of: Void.self)
        let reporter = CallReporter(on: nil) { reports in
            let isFirst = heard.withLock { heard in
                heard.append(reports)
                return heard.count == 1
            }
            if isFirst { for await _ in gate {} }
        }
        reporter.note(CallProgress(fraction: 0, message: ""))
        try await eventually { heard.withLock { $0.count } == 1 }
        for number in 1...500 {
            reporter.note(CallProgress(fraction: Double(number), message: ""))
            reporter.note(CallProgress(level: .info, message: "\(number)"))
        }
        key.finish()
        async let other: Void = reporter.finish()
        await reporter.finish()
        await other
        let reports = heard.withLock { $0 }
        #expect(reports.map(\.count) == [1, 102])
        #expect(reports.last?.first?.message == "400 messages were dropped")
        #expect(reports.last?.dropFirst().first?.message == "401" && reports.last?.last?.fraction == 500)
    }

    @Test func whatAMethodOfThisProcessTellsIsHeardInOrderBeforeTheScopeEnds() async throws {
        struct Trouble: Error {}
        for fails in [false, true] {
            let heard = Mutex<[String]>([])
            let result = await Result { () async throws in
                try await withProgress {
                    for number in 0..<50 { CallContext.current.log("\(number)") }
                    if fails { throw Trouble() }
                } observing: { progress in
                    heard.withLock { $0.append(progress.message) }
                    // What an observer tells, nobody hears.
                    if progress.message != "heard" { CallContext.current.log("heard") }
                }
            }
            #expect(((try? result.get()) == nil) == fails)
            #expect(heard.withLock { $0 } == (0..<50).map { "\($0)" })
        }
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
