import CallMetrics
import Glibc
import Telekinesis

struct DivisionByZero: Error {}

do {
    let node = try await Node.connect()
    let metrics = CallMetrics()

    // The first one sees the call first, and its result last.
    node.intercept(incoming: metrics.observe)
    node.intercept(incoming: { call, next in
        guard let request = call.headers["request"] else { throw TelekinesisError(.forbidden, "give the request a number") }
        print("request \(request): \(call.principal?.name ?? "nobody") calls \(call.target) \(call.method)")
        return try await next(call)
    })

    try await node.publish(function: "sample/divide") { (a: Int, b: Int) in
        guard b != 0 else { throw DivisionByZero() }
        return a / b
    }
    node.onShutdown { print(metrics.report) }
    try await node.run()
} catch {
    print("no divisions: \(error)")
    exit(1)
}
