import CallMetrics
import Glibc
import Synchronization
import Telekinesis

do {
    let node = try await Node.connect()
    let metrics = CallMetrics()
    let requests = Atomic<Int>(0)

    node.intercept(outgoing: metrics.observe)
    node.intercept(outgoing: { call, next in
        var call = call
        call.headers["request"] = "\(requests.add(1, ordering: .relaxed).newValue)"
        return try await next(call)
    })

    let divide: RemoteFunction<(Int, Int) -> Int> = try await node.function("sample/divide", waitingUpTo: .seconds(30))
    for divisor in 0...3 { _ = try? await divide(12, divisor) }
    print(metrics.report)
    await node.close()
} catch {
    print("no figures: \(error)")
    exit(1)
}
