import Dispatch
import Glibc
import JobAPI
import Telekinesis

let lines = CommandLine.arguments.dropFirst().first.flatMap(Int.init) ?? 24

do {
    let node = try await Node.connect()
    let painter = try await node.resolve("sample/painter", as: $Painter.self, waitingUpTo: .seconds(30))

    let job = Task {
        // Calls may take 30 seconds, unless one says otherwise.
        try await withDeadline(.never) {
            try await withProgress {
                try await painter.paint(lines: lines)
            } observing: { progress in
                print(progress.message)
            }
        }
    }

    // Control-C cancels the task, and with it the call.
    signal(SIGINT, SIG_IGN)
    let interrupt = DispatchSource.makeSignalSource(signal: SIGINT, queue: .main)
    interrupt.setEventHandler { job.cancel() }
    interrupt.resume()

    print(try await job.value)
    await node.close()
} catch let error as TelekinesisError where error.code == .cancelled {
    print("no picture: \(error)")
} catch {
    print("no picture: \(error)")
    exit(1)
}
