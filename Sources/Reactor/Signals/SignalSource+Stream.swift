extension SignalSource {
    /// The signals as they come, in place of what they did before. The stream ends when the task that waits for it is cancelled; then, or when nobody
    /// has the stream any more, the signals have their former effect again.
    ///
    /// - Parameters:
    ///   - signals: which ones.
    ///   - loop: notices them.
    /// - Throws: ``SystemError`` if the system refuses descriptors.
    public static func stream(of signals: [Signal], on loop: EventLoop) throws(SystemError) -> AsyncStream<Signal> {
        let (stream, continuation) = AsyncStream.makeStream(of: Signal.self)
        let source = try SignalSource(signals, on: loop) { continuation.yield($0) }
        continuation.onTermination = { _ in source.cancel() }
        return stream
    }
}
