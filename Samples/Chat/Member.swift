import ChatAPI
import Glibc
import Telekinesis

distributed actor Ears: Listener {
    init(on node: Node) { actorSystem = node }

    distributed func heard(_ line: String) { print(line) }
}

let name = CommandLine.arguments.dropFirst().first ?? "somebody"
let node = try await Node.connect()
let room = try await node.resolve("sample/room", as: $Room.self, waitingUpTo: .seconds(30))
let ears = Ears(on: node)

func join() async throws {
    do {
        try await room.join(ears.as($Listener.self), as: name)
    } catch RoomError.nameTaken {
        print("somebody is called \(name) already: say who else you are")
        exit(1)
    }
}

try await join()
while let line = readLine() {
    do {
        try await room.say(line)
    } catch RoomError.notHere {
        // The room or the hub has started anew, and knows nobody.
        try await join()
        try await room.say(line)
    } catch let error as TelekinesisError {
        print("not said: \(error)")
    }
}
try await room.leave()
await node.close()
