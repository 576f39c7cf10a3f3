import Glibc
import Telekinesis

do {
    let node = try await Node.connect()
    let process = Int(getpid())
    try await node.publish(function: "sample/square") { (number: Int) in
        try await Task.sleep(for: .milliseconds(1))
        return ["square": number &* number, "worker": process]
    }
    print("worker \(process) serves sample/square")
    try await node.run()
} catch {
    print("no worker: \(error)")
    exit(1)
}
