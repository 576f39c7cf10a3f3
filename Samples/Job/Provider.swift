import Glibc
import JobAPI
import Telekinesis

distributed actor LetterPainter: Painter {
    init(on node: Node) { actorSystem = node }

    distributed func paint(lines: Int) async throws -> String {
        guard (1...1000).contains(lines) else { throw TelekinesisError(.badArguments, "a picture has 1 to 1000 lines") }
        let call = CallContext.current
        var picture: [String] = []
        do {
            for number in 0..<lines {
                // When the caller no longer wants the picture, this task is cancelled, and the pause ends with an error.
                try await Task.sleep(for: .milliseconds(100))
                picture.append(line(number, of: lines))
                call.report(Double(picture.count) / Double(lines), "line \(picture.count) of \(lines)")
            }
        } catch {
            print("cancelled after \(picture.count) of \(lines) lines")
            throw error
        }
        print("painted \(lines) lines")
        return picture.joined(separator: "\n")
    }

    private func line(_ number: Int, of lines: Int) -> String {
        let y = 2.4 * (Double(number) + 0.5) / Double(lines) - 1.2
        return String((0..<2 * lines).map { column in letter(3.2 * Double(column) / Double(2 * lines) - 2.2, y) })
    }

    /// By how long the point takes to leave: `z = z² + c`.
    private func letter(_ real: Double, _ imaginary: Double) -> Character {
        var (x, y, steps) = (0.0, 0.0, 0)
        while x * x + y * y < 4, steps < 60 {
            (x, y) = (x * x - y * y + real, 2 * x * y + imaginary)
            steps += 1
        }
        return steps == 60 ? "#" : steps > 8 ? "+" : steps > 4 ? "." : " "
    }
}

do {
    let node = try await Node.connect()
    try await node.publish(LetterPainter(on: node), as: "sample/painter")
    print("serving sample/painter")
    try await node.run()
} catch {
    print("no painter: \(error)")
    exit(1)
}
