import ChatAPI
import Glibc
import Telekinesis

distributed actor Lounge: Room {
    /// Somebody in the room.
    private final class Member {
        let name: String
        let listener: $Listener
        /// What it has still to hear. Nobody waits for somebody slow, who at worst misses something.
        let lines: AsyncStream<String>.Continuation

        init(_ name: String, _ listener: $Listener, _ lines: AsyncStream<String>.Continuation) {
            (self.name, self.listener, self.lines) = (name, listener, lines)
        }
    }

    /// Who calls is no argument, which could be a lie: the hub says from which node a call comes.
    private var members: [NodeID: Member] = [:]

    init(on node: Node) { actorSystem = node }

    distributed func join(_ listener: $Listener, as name: String) async throws {
        let node = try caller()
        remove(members[node])
        if let holder = named(name) {
            // Who does not answer any more does not need the name any more.
            do { try await holder.listener.heard("* somebody else wants to be called \(name)") } catch { remove(holder) }
        }
        guard named(name) == nil else { throw RoomError.nameTaken }

        let (lines, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(100))
        let member = Member(name, listener, continuation)
        members[node] = member
        tellAll("* \(name) is here")
        Task {
            do {
                for await line in lines { try await listener.heard(line) }
            } catch {
                remove(member)  // Its process has ended, or it has lost the hub.
            }
        }
    }

    distributed func say(_ text: String) throws {
        guard let member = members[try caller()] else { throw RoomError.notHere }
        tellAll("\(member.name): \(text)")
    }

    distributed func leave() throws { remove(members[try caller()]) }

    distributed func names() -> [String] { members.values.map(\.name).sorted() }

    private func caller() throws -> NodeID {
        guard let node = CallContext.current.node else { throw RoomError.notHere }
        return node
    }

    private func named(_ name: String) -> Member? { members.values.first { $0.name == name } }

    private func remove(_ member: Member?) {
        guard let member, let node = members.first(where: { $0.value === member })?.key else { return }
        members[node] = nil
        member.lines.finish()
        tellAll("* \(member.name) has left")
    }

    private func tellAll(_ line: String) {
        print(line)
        for member in members.values { member.lines.yield(line) }
    }
}

do {
    let node = try await Node.connect()
    try await node.publish(Lounge(on: node), as: "sample/room")
    print("serving sample/room")
    try await node.run()
} catch {
    print("no room: \(error)")
    exit(1)
}
