internal import CSystem
internal import Glibc
internal import Synchronization

/// The signals that ask a program to do something (signal(7)).
public enum Signal: Int32, Sendable {
    /// The terminal is gone, or the configuration is to be read again.
    case hangUp = 1
    /// Control-C.
    case interrupt = 2
    /// The polite request to end.
    case terminate = 15
}

/// Turns signals into calls on an event loop, in place of what they did before. Of two sources for one signal only the first gets it.
public final class SignalSource: Sendable {
    private let signals: [Signal]
    private let pipe: SignalPipe

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - signals: which ones.
    ///   - loop: where `received` runs, as a job.
    ///   - received: called once for each signal delivered.
    /// - Throws: ``SystemError`` if the system refuses descriptors.
    public init(_ signals: [Signal], on loop: EventLoop, _ received: @escaping @Sendable (Signal) -> Void) throws(SystemError) {
        self.signals = signals
        pipe = try SignalPipe(on: loop, received)
        for signal in signals { _ = tk_signal_forward(signal.rawValue, pipe.input) }
    }

    deinit {
        cancel()
    }

    /// Gives the signals back their former effect. Callable from any thread, any number of times.
    public func cancel() {
        guard pipe.isFirstToClose() else { return }
        for signal in signals { tk_signal_restore(signal.rawValue, pipe.input) }
        pipe.close()
    }
}

/// The pipe through which the signal handler reaches the loop: hardly anything else is allowed in a signal handler (signal-safety(7)).
private final class SignalPipe: PollSource {
    let input: Int32

    private let output: Int32
    private let loop: EventLoop
    private let received: @Sendable (Signal) -> Void
    private let isClosed = Atomic<Bool>(false)
    // Set when the pipe is made.
    nonisolated(unsafe) private var watch: Watch?

    init(on loop: EventLoop, _ received: @escaping @Sendable (Signal) -> Void) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        guard tk_pipe(&ends) == 0 else { throw SystemError(operation: "pipe2") }
        (output, input) = (ends[0], ends[1])
        self.loop = loop
        self.received = received
        let watch = Watch(output, self)
        self.watch = watch
        do {
            try loop.begin(watch, for: .readable)
        } catch {
            watch.end()
            throw error
        }
    }

    func isFirstToClose() -> Bool { !isClosed.exchange(true, ordering: .relaxed) }

    func close() {
        if let watch { loop.end(watch) }
    }

    func ready(_ readiness: Readiness, on loop: EventLoop) -> Bool {
        var number: UInt8 = 0
        while read(output, &number, 1) == 1 {
            guard let signal = Signal(rawValue: Int32(number)) else { continue }
            loop.execute { [received] in received(signal) }
        }
        return false
    }

    func unwatched() {
        Glibc.close(output)
        Glibc.close(input)
    }
}
