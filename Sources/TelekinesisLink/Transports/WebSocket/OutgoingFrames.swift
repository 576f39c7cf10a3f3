internal import TelekinesisProtocol
internal import WebSocket

extension OutgoingMessage {
    /// Makes the message a frame, which begins at `start` from then on.
    ///
    /// A mask changes every byte, so a tail that is somebody else's is copied for it.
    mutating func seal(_ opcode: WebSocketOpcode, maskKey: UInt32?) {
        if maskKey != nil, let tail = tail.take() { bytes.append(contentsOf: tail) }
        let (from, more) = (start, tail?.count ?? 0)
        start = bytes.withUnsafeMutableBytes {
            WebSocketEncoder.seal(opcode, payloadOf: $0, from: from, followedBy: more, maskKey: maskKey)
        }
    }
}

extension [OutgoingMessage] {
    /// Calls `body` with the places of everything that is to be written, in order.
    func withBuffers(_ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int) -> Int {
        withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: 2 * count) { collect(0, in: $0, filled: 0, body) }
    }

    private func collect(
        _ index: Int, in buffers: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>, filled: Int,
        _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int
    ) -> Int {
        guard index < count else { return body(UnsafeBufferPointer(rebasing: buffers[..<filled])) }
        return self[index].bytes.withUnsafeBytes { bytes in
            buffers.initializeElement(at: filled, to: UnsafeRawBufferPointer(rebasing: bytes[self[index].start...]))
            guard let tail = self[index].tail else { return collect(index + 1, in: buffers, filled: filled + 1, body) }
            return tail.withUnsafeBytes { tail in
                buffers.initializeElement(at: filled + 1, to: tail)
                return collect(index + 1, in: buffers, filled: filled + 2, body)
            }
        }
    }

    /// Drops the first `size` bytes, which have been written.
    mutating func remove(_ size: Int) {
        var size = size
        while let first, size >= first.count {
            size -= first.count
            removeFirst()
        }
        guard size > 0 else { return }
        let head = self[0].bytes.count - self[0].start
        self[0].start += Swift.min(size, head)
        if size > head { self[0].tail?.removeFirst(size - head) }
    }
}
