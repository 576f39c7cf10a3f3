import CounterAPI
import Glibc
import Telekinesis

do {
    let node = try await Node.connect()

    // One object that everybody shares: its count goes on from call to call, and from caller to caller.
    let shared = try await node.resolve("sample/counter", as: $CounterService.self, waitingUpTo: .seconds(30))
    print("shared:", try await shared.increment(by: 100), try await shared.increment())

    // An instance of our own, made at the provider and released there when `mine` goes.
    let makeCounter = try await node.class("sample/Counter", of: $CounterService.self, waitingUpTo: .seconds(30))
    let mine = try makeCounter(123)
    print("mine:", try await mine.increment(by: 100))

    await node.close()
} catch {
    print("no count: \(error)")
    exit(1)
}
