import CounterAPI
import Glibc
import Telekinesis

distributed actor Counter: CounterService {
    private var count: Int

    init(startingAt count: Int = 0, on node: Node) {
        self.count = count
        actorSystem = node
    }

    distributed func increment(by amount: Int) -> Int {
        // Wraps: what comes from callers must not be able to end the provider.
        count &+= amount
        return count
    }
}

do {
    let node = try await Node.connect()
    try await node.publish(Counter(on: node), as: "sample/counter")
    try await node.publish(class: "sample/Counter") { (start: Int) in Counter(startingAt: start, on: node) }
    print("serving sample/counter and sample/Counter")
    try await node.run()
} catch {
    print("no counters: \(error)")
    exit(1)
}
