/// Writes heads of frames, into fresh bytes or over bytes that lie there already.
public enum FrameWriter {
    /// Writes the common head at the start of `memory`.
    @inline(__always)
    static func head(
        _ memory: UnsafeMutableRawBufferPointer, type: FrameType, flags: UInt8, peer: NodeID, call: CallID
    ) {
        memory.storeBytes(of: UInt32(memory.count).littleEndian, as: UInt32.self)
        memory.storeBytes(of: UInt32(type.rawValue) | UInt32(flags) << 8, toByteOffset: FrameHead.type, as: UInt32.self)
        memory.storeBytes(of: peer.rawValue.littleEndian, toByteOffset: FrameHead.peer, as: UInt64.self)
        memory.storeBytes(of: call.littleEndian, toByteOffset: FrameHead.call, as: UInt64.self)
    }

    /// Writes the head of a call over the first 48 bytes of a frame.
    public static func call(
        over frame: UnsafeMutableRawBufferPointer, flags: CallFlags, peer: NodeID, call: CallID, target: CallAddress, remaining: UInt32
    ) {
        var flags = flags
        head(frame, type: .call, flags: 0, peer: peer, call: call)
        switch target {
        case .key(let key):
            key.store(in: frame, at: FrameHead.target)
        case .route(let handle):
            flags.insert(.route)
            frame.storeBytes(of: UInt64(handle).littleEndian, toByteOffset: FrameHead.target, as: UInt64.self)
            frame.storeBytes(of: 0, toByteOffset: FrameHead.target + 8, as: UInt64.self)
        }
        frame.storeBytes(of: flags.rawValue, toByteOffset: FrameHead.flags, as: UInt8.self)
        frame.storeBytes(of: UInt64(remaining).littleEndian, toByteOffset: FrameHead.remaining, as: UInt64.self)
    }

    /// Writes the head of a reply over the first 24 bytes of a frame.
    public static func reply(over frame: UnsafeMutableRawBufferPointer, flags: ReplyFlags, peer: NodeID, call: CallID) {
        head(frame, type: .reply, flags: flags.rawValue, peer: peer, call: call)
    }

    /// A frame that is a common head and a body.
    public static func frame(
        _ type: FrameType, flags: UInt8 = 0, peer: NodeID = .hub, call: CallID = 0, body: some Collection<UInt8> = EmptyCollection()
    ) -> [UInt8] {
        let start = type.headSize
        var bytes = [UInt8](repeating: 0, count: start)
        bytes.append(contentsOf: body)
        bytes.withUnsafeMutableBytes { head($0, type: type, flags: flags, peer: peer, call: call) }
        return bytes
    }

    /// A frame of data: part of a value too large for one frame.
    public static func data(
        flags: ChannelFlags, peer: NodeID, call: CallID, channel: UInt32 = 0, bytes part: ArraySlice<UInt8>
    ) -> [UInt8] {
        var bytes = frame(.data, flags: flags.rawValue, peer: peer, call: call, body: part)
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: channel.littleEndian, toByteOffset: FrameHead.channel, as: UInt32.self) }
        return bytes
    }

    /// Writes the head of a frame of data whose `tail` bytes lie elsewhere.
    public static func dataHead(
        over head: UnsafeMutableRawBufferPointer, tail: Int, flags: ChannelFlags, peer: NodeID, call: CallID, channel: UInt32 = 0
    ) {
        Self.head(head, type: .data, flags: flags.rawValue, peer: peer, call: call)
        head.storeBytes(of: UInt32(head.count + tail).littleEndian, as: UInt32.self)
        head.storeBytes(of: UInt64(channel).littleEndian, toByteOffset: FrameHead.channel, as: UInt64.self)
    }

    /// A grant of `amount` more bytes on a channel.
    public static func credit(flags: ChannelFlags, peer: NodeID, call: CallID, channel: UInt32 = 0, amount: UInt32) -> [UInt8] {
        var bytes = frame(.credit, flags: flags.rawValue, peer: peer, call: call)
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: channel.littleEndian, toByteOffset: FrameHead.channel, as: UInt32.self)
            $0.storeBytes(of: amount.littleEndian, toByteOffset: FrameHead.amount, as: UInt32.self)
        }
        return bytes
    }

    /// Tells the owner of an object, `peer`, that another node is about to be handed a reference to it.
    public static func share(_ key: ActorKey, of peer: NodeID, with holder: NodeID) -> [UInt8] {
        var bytes = frame(.share, peer: peer)
        bytes.withUnsafeMutableBytes {
            key.store(in: $0, at: FrameHead.target)
            $0.storeBytes(of: holder.rawValue.littleEndian, toByteOffset: FrameHead.remaining, as: UInt64.self)
        }
        return bytes
    }

    /// Gives `count` references to an object of `peer` back.
    public static func release(_ key: ActorKey, of peer: NodeID, count: UInt32, flags: ReleaseFlags = []) -> [UInt8] {
        var bytes = frame(.release, flags: flags.rawValue, peer: peer)
        bytes.withUnsafeMutableBytes {
            key.store(in: $0, at: FrameHead.target)
            $0.storeBytes(of: count.littleEndian, toByteOffset: FrameHead.remaining, as: UInt32.self)
        }
        return bytes
    }

    /// Tells the hub that it may forget where `key` was created: its caller knows the place now.
    public static func forget(_ key: ActorKey) -> [UInt8] {
        var bytes = frame(.peer, flags: PeerFlags.forget.rawValue, body: repeatElement(0, count: 16))
        bytes.withUnsafeMutableBytes { key.store(in: $0, at: FrameHead.target) }
        return bytes
    }

    /// Tells a node that another one has taken over the name under which it had published the object of `key`.
    public static func replaced(_ name: ServiceName, _ key: ActorKey) -> [UInt8] {
        var bytes = frame(.replaced, body: Array(repeating: 0, count: 16) + name.description.utf8)
        bytes.withUnsafeMutableBytes { key.store(in: $0, at: FrameType.replaced.headSize) }
        return bytes
    }

    /// Overwrites the peer of a frame.
    @inline(__always)
    public static func patch(peer: NodeID, in frame: UnsafeMutableRawBufferPointer) {
        frame.storeBytes(of: peer.rawValue.littleEndian, toByteOffset: FrameHead.peer, as: UInt64.self)
    }

    /// Turns a call on a route into a call on the provider's object.
    @inline(__always)
    public static func patch(key: ActorKey, in call: UnsafeMutableRawBufferPointer) {
        key.store(in: call, at: FrameHead.target)
        call[FrameHead.flags] &= ~(CallFlags.route.rawValue | CallFlags.mayWait.rawValue)
    }

    /// Says whether a reply comes from where the hub had sent the call.
    @inline(__always)
    public static func patch(isRouted: Bool, in reply: UnsafeMutableRawBufferPointer) {
        let flag = ReplyFlags.routed.rawValue
        reply[FrameHead.flags] = isRouted ? reply[FrameHead.flags] | flag : reply[FrameHead.flags] & ~flag
    }

    /// Overwrites the time a call has left, in milliseconds.
    public static func patch(remaining: UInt32, in call: UnsafeMutableRawBufferPointer) {
        call.storeBytes(of: remaining.littleEndian, toByteOffset: FrameHead.remaining, as: UInt32.self)
    }
}

/// What a call is addressed to.
public enum CallAddress: Hashable, Sendable {
    /// An object.
    case key(ActorKey)
    /// Whatever serves the name that the caller bound to this handle.
    case route(UInt32)
}

extension ActorKey {
    /// Reads a key; the caller has checked that sixteen bytes are there.
    public init(loading memory: UnsafeRawBufferPointer, at offset: Int) {
        self.init(
            low: UInt64(littleEndian: memory.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
            high: UInt64(littleEndian: memory.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)))
    }

    /// Writes the key; the caller has checked that there is room for sixteen bytes.
    public func store(in memory: UnsafeMutableRawBufferPointer, at offset: Int) {
        memory.storeBytes(of: low.littleEndian, toByteOffset: offset, as: UInt64.self)
        memory.storeBytes(of: high.littleEndian, toByteOffset: offset + 8, as: UInt64.self)
    }
}
