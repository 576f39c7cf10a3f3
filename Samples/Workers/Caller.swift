import Glibc
import Telekinesis

/// What became of some calls.
struct Tally {
    /// Correct answers, by worker.
    var answers: [Int: Int] = [:]
    /// Calls whose worker died: nobody can know whether they ran. A square may be computed twice, so they were made again.
    var repeated = 0
}

let seconds = CommandLine.arguments.dropFirst().first.flatMap(Double.init) ?? 10

do {
    let node = try await Node.connect()
    let square: RemoteFunction<(Int) -> [String: Int]> = try await node.function("sample/square", waitingUpTo: .seconds(30))

    let end = ContinuousClock.now + .seconds(seconds)
    let total = try await withThrowingTaskGroup(of: Tally.self) { group in
        for first in 0..<16 {
            group.addTask {
                var (tally, number) = (Tally(), first)
                while ContinuousClock.now < end {
                    do {
                        let answer = try await square(number)
                        guard answer["square"] == number * number else { fatalError("a wrong answer: \(answer)") }
                        tally.answers[answer["worker"] ?? 0, default: 0] += 1
                        number += 16
                    } catch let error as TelekinesisError where error.ran == .maybe && error.code != .cancelled {
                        tally.repeated += 1
                    }
                }
                return tally
            }
        }
        var total = Tally()
        for try await part in group {
            total.answers.merge(part.answers, uniquingKeysWith: +)
            total.repeated += part.repeated
        }
        return total
    }

    for (worker, count) in total.answers.sorted(by: { $0.key < $1.key }) { print("worker \(worker): \(count) answers") }
    print("\(total.answers.values.reduce(0, +)) calls answered, \(total.repeated) made again because their worker died, none lost")
    await node.close()
} catch {
    // When no worker is left, a call fails with `noProvider`; the other tasks of the group are cancelled, and their calls with them.
    print("no squares: \(error)")
    exit(1)
}
