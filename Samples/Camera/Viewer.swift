import CameraAPI
import Glibc
import Telekinesis

// How many milliseconds this viewer needs for a frame, and how many frames it wants.
let numbers = CommandLine.arguments.dropFirst().compactMap(Int.init)
let (pause, wanted) = (numbers.first ?? 0, numbers.dropFirst().first ?? .max)
var (seen, missed, last) = (0, 0, -1)

do {
    let node = try await Node.connect()
    let camera = try await node.resolve("sample/camera", as: $Camera.self, waitingUpTo: .seconds(30))

    // Two frames may be on their way: more would be old by the time they are seen.
    for try await frame in try await camera.watch().buffering(bytes: 128 * 1024) {
        if seen > 0 { missed += frame.number - last - 1 }
        (seen, last) = (seen + 1, frame.number)
        if seen.isMultiple(of: pause < 100 ? 50 : 5) { print("frame \(last): \(seen) seen, \(missed) missed") }
        if seen == wanted { break }
        try await Task.sleep(for: .milliseconds(pause))
    }
    print("\(seen) frames seen, \(missed) missed")
    await node.close()
} catch {
    print("no more frames: \(error); \(seen) frames seen, \(missed) missed")
    exit(1)
}
