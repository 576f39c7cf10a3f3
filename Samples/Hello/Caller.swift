import Glibc
import Telekinesis

do {
    let node = try await Node.connect()
    let hello: RemoteFunction<(String) -> String> = try await node.function("sample/hello", waitingUpTo: .seconds(30))
    print(try await hello("Awesome"))
    await node.close()
} catch {
    print("no greeting: \(error)")
    exit(1)
}
