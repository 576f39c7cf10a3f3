import Glibc
import Telekinesis

do {
    let node = try await Node.connect()
    try await node.publish(function: "sample/hello") { (name: String) in "Hello \(name)" }
    print("serving sample/hello")
    try await node.run()
} catch {
    print("no greetings: \(error)")
    exit(1)
}
