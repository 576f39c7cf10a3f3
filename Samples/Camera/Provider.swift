import CameraAPI
import Glibc
import Telekinesis

/// Takes 50 pictures a second, for whoever looks.
actor Sensor {
    private var number = 0
    private var viewers: [AsyncStream<Frame>.Continuation] = []

    /// Frames for one more viewer, who has a place of its own for one frame: the newest that it has not taken yet.
    func frames() -> AsyncStream<Frame> {
        let (frames, viewer) = AsyncStream.makeStream(of: Frame.self, bufferingPolicy: .bufferingNewest(1))
        viewers.append(viewer)
        return frames
    }

    func run() async throws {
        while true {
            let frame = Frame(number: number, pixels: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 65_536))
            number += 1
            viewers.removeAll { viewer in
                // Nobody takes what is put there any more.
                if case .terminated = viewer.yield(frame) { true } else { false }
            }
            if number.isMultiple(of: 50) {
                print("\(number) frames, \(viewers.count) viewers, never more than \(peakMemory()) MiB of memory")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

distributed actor TestPattern: Camera {
    private let sensor: Sensor

    init(_ sensor: Sensor, on node: Node) {
        self.sensor = sensor
        actorSystem = node
    }

    // A stream waits for its viewer, and takes the next frame when the viewer can have it.
    distributed func watch() async -> RemoteStream<Frame> { RemoteStream(await sensor.frames()) }
}

/// The most memory that this process has had.
func peakMemory() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
}

do {
    let node = try await Node.connect()
    let sensor = Sensor()
    try await node.publish(TestPattern(sensor, on: node), as: "sample/camera")
    print("serving sample/camera")

    let running = Task { try await sensor.run() }
    try await node.run()
    running.cancel()
} catch {
    print("no camera: \(error)")
    exit(1)
}
