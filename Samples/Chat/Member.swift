import ChatAPI
import Glibc
import Telekinesis

distributed actor Ears: Listener {
    init(on node: Node) { actorSystem = node }

    distributed func heard(_ line: String) { print(line) }
}

let name = CommandLine.arguments.dropFirst().first ?? "somebody"

do {
    let node = try await Node.connect()
    let room = try await node.resolve("sample/room", as: $Room.self, waitingUpTo: .seconds(30))
    let ears = Ears(on: node)

    try await room.join(ears.as($Listener.self), as: name)
    while let line = readLine() {
        do {
            try await room.say(line)
        } catch RoomError.notHere {
            // The room or the hub has started anew, and knows nobody.
            try await room.join(ears.as($Listener.self), as: name)
            try await room.say(line)
        } catch let error as TelekinesisError {
            print("not said: \(error)")
        }
    }
    try await room.leave()
    await node.close()
} catch RoomError.nameTaken {
    print("somebody is called \(name) already: say who else you are")
    exit(1)
} catch {
    print("no chat: \(error)")
    exit(1)
}
