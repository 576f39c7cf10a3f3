/// Something with a descriptor that a loop watches.
///
/// Both methods are called by the loop, outside jobs, one at a time.
protocol PollSource: AnyObject, Sendable {
    /// The descriptor is ready. Returns true if there is more to do than one turn of the loop should: it is then called again next turn.
    func ready(_ readiness: Readiness, on loop: EventLoop) -> Bool
    /// The loop no longer watches the descriptor, and never calls again: the moment to close it.
    func unwatched()
}

/// A source's place under watch; its address is the token given to the poller.
///
/// The loop keeps every watch alive until no poll can report its token any more.
final class Watch: Sendable {
    let descriptor: Int32
    /// Touched only before the watch begins, and by the loop; nil once it has ended, so that a source may hold its own watch.
    nonisolated(unsafe) private var source: (any PollSource)?

    init(_ descriptor: Int32, _ source: any PollSource) {
        self.descriptor = descriptor
        self.source = source
    }

    var token: UInt64 { UInt64(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())) }

    static func of(token: UInt64) -> Watch? {
        UnsafeRawPointer(bitPattern: UInt(token)).map { Unmanaged<Watch>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Returns whether there is more to do in the loop's next turn.
    func ready(_ readiness: Readiness, on loop: EventLoop) -> Bool {
        source?.ready(readiness, on: loop) ?? false
    }

    func end() {
        guard let source else { return }
        self.source = nil
        source.unwatched()
    }
}
