import Reactor
import Synchronization
import TelekinesisProtocol
import Testing

@testable import TelekinesisLink

/// A link whose other end is a test that writes whole messages.
@Suite struct LinkTests {
    /// Keeps what a link hands on, and does what a test says with each frame.
    private final class Ear: FrameReceiver {
        struct State {
            var heard: [CallID] = []
            var end: TelekinesisError?
        }

        let state = Mutex(State())
        let onFrame: @Sendable (Frame, any FrameLink) throws(TelekinesisError) -> Void

        init(_ onFrame: @escaping @Sendable (Frame, any FrameLink) throws(TelekinesisError) -> Void = { _, _ in }) {
            self.onFrame = onFrame
        }

        func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
            let call = frame.call
            state.withLock { $0.heard.append(call) }
            try onFrame(frame, link)
        }

        func ended(_ link: any FrameLink, _ reason: TelekinesisError) { state.withLock { $0.end = reason } }

        var heard: [CallID] { state.withLock { $0.heard } }
        var end: TelekinesisError? { state.withLock { $0.end } }
    }

    /// The peer's messages are of no interest.
    private final class Peer: TransportReceiver {
        func received(_ message: UnsafeRawBufferPointer) {}
        func received(text: UnsafeRawBufferPointer) {}
        func writable() {}
        func closed(_ end: TransportEnd) {}
    }

    private struct Stage {
        let clock = VirtualClock()
        let link: Link
        let far: InMemoryTransport
        let ear: Ear
        private let group: EventLoopGroup

        init(_ ear: Ear = Ear(), capacity: Int = .max, isOpen: Bool = true, limits: LinkLimits = LinkLimits()) throws {
            group = try EventLoopGroup(loops: 1, clock: .virtual(clock))
            let (near, far) = InMemoryTransport.pair((group.next(), group.next()))
            near.set(ChannelConditions(delay: 10_000_000_000, capacity: capacity))
            self.far = far
            self.ear = ear
            link = Link(near, receiver: ear, limits: limits)
            near.start(link)
            far.start(Peer())
            if isOpen { link.open() }
        }

        /// Ends the connection, and lets all timers ring: on a virtual clock they wait for ever.
        func end() async {
            far.cut()
            await clock.advance(by: 60_000_000_000)
        }

        /// Sends a message of frames; waits until it has been taken in.
        func send(_ frames: [[UInt8]], first: UInt64 = 0) async {
            var message = withUnsafeBytes(of: first.littleEndian) { Array($0) } + [UInt8](repeating: 0, count: 8)
            message += frames.joined()
            _ = far.send([OutgoingMessage(bytes: message, start: 0)])
            await clock.advance(by: 0)
        }
    }

    private static func frame(_ call: CallID) -> [UInt8] { FrameWriter.frame(.cancel, call: call) }

    /// Ways in which a frame can be none.
    enum Fault: CaseIterable {
        case tooShort, tooLong, cutShort, unknownType, shorterThanItsHead

        var bytes: [UInt8] {
            var frame = LinkTests.frame(66)
            switch self {
            case .tooShort: frame[0] = 23
            case .tooLong: frame[3] = 1
            case .cutShort: frame[0] = 200
            case .unknownType: frame[4] = 0x7f
            case .shorterThanItsHead: frame[4] = FrameType.call.rawValue
            }
            return frame
        }
    }

    @Test(arguments: Fault.allCases)
    func nothingIsHandedOnBehindAMalformedFrame(_ fault: Fault) async throws {
        // The way back is full, so that the goodbye cannot leave and the connection stays open.
        let stage = try Stage(capacity: 0)
        stage.link.send(Self.frame(0))
        await stage.send([Self.frame(1), fault.bytes, Self.frame(2)])
        #expect(stage.ear.heard == [1])
        // Nor in messages that follow, whatever number they say they have.
        for first: UInt64 in [0, 1, 2, 3] { await stage.send([Self.frame(3)], first: first) }
        #expect(stage.ear.heard == [1])
        await stage.clock.advance(by: 14_000_000_000)
        #expect(stage.ear.end?.code == .protocolViolation)
        await stage.end()
    }

    @Test func nothingIsHandedOnWhenTheReceiverHasRefusedAFrame() async throws {
        let ear = Ear { frame, _ throws(TelekinesisError) in
            if frame.call == 2 { throw TelekinesisError(.protocolViolation, "the test refuses it") }
        }
        let stage = try Stage(ear, capacity: 0)
        stage.link.send(Self.frame(0))
        await stage.send([Self.frame(1), Self.frame(2), Self.frame(3)])
        await stage.send([Self.frame(4)])
        #expect(ear.heard == [1, 2])
        await stage.end()
    }

    @Test func nothingIsHandedOnWhenTheLinkWasClosedMeanwhile() async throws {
        let ear = Ear { frame, link throws(TelekinesisError) in
            if frame.call == 2 { link.close(TelekinesisError(.overloaded, "the test has enough")) }
        }
        let stage = try Stage(ear, capacity: 0)
        stage.link.send(Self.frame(0))
        await stage.send([Self.frame(1), Self.frame(2), Self.frame(3)])
        await stage.send([Self.frame(4)], first: 3)
        #expect(ear.heard == [1, 2])
        await stage.clock.advance(by: 14_000_000_000)
        #expect(ear.end?.code == .overloaded)
        await stage.end()
    }

    @Test func framesAreCountedAndNoneMayBeMissingOrComeTwice() async throws {
        for first: UInt64 in [0, 1, 3, .max] {
            let stage = try Stage()
            await stage.send([Self.frame(1), Self.frame(2)])
            await stage.send([Self.frame(3)], first: first)
            await stage.clock.advance(by: 14_000_000_000)
            #expect(stage.ear.heard == [1, 2] && stage.ear.end?.code == .protocolViolation)
        }
        let stage = try Stage()
        await stage.send([Self.frame(1), Self.frame(2)])
        // An empty batch is one, and types that may be ignored count.
        await stage.send([], first: 2)
        var ignored = Self.frame(9)
        ignored[4] = 0xff
        await stage.send([ignored], first: 2)
        await stage.send([Self.frame(3)], first: 3)
        #expect(stage.ear.heard == [1, 2, 3] && stage.ear.end == nil)
        await stage.end()
    }

    @Test func aStrangerMaySayLittle() async throws {
        let large = try Stage(isOpen: false)
        await large.send([FrameWriter.frame(.hello, body: [UInt8](repeating: 0, count: 17_000))])
        #expect(large.ear.heard.isEmpty)
        await large.clock.advance(by: 14_000_000_000)
        #expect(large.ear.end?.code == .tooLarge)
        let many = try Stage(isOpen: false)
        for number in 0..<4 as Range<UInt64> {
            await many.send([FrameWriter.frame(.hello, body: [UInt8](repeating: 0, count: 12_000))], first: number)
        }
        #expect(many.ear.heard.count == 2)
        await many.clock.advance(by: 14_000_000_000)
        #expect(many.ear.end?.code == .tooLarge && many.ear.end?.message.contains("before authentication") == true)
    }

    @Test func whoSendsTooManyFramesIsReadMoreSlowly() async throws {
        var limits = LinkLimits()
        limits.frames = Rate(perSecond: 10, burst: 5)
        let stage = try Stage(limits: limits)
        // Seven at once: two are owed, which takes a fifth of a second.
        await stage.send((1...7).map(Self.frame))
        await stage.send([Self.frame(8)], first: 7)
        #expect(stage.ear.heard == Array(1...7))
        await stage.clock.advance(by: 199_000_000)
        #expect(stage.ear.heard.count == 7)
        await stage.clock.advance(by: 1_000_000)
        #expect(stage.ear.heard == Array(1...8))
        // An empty message counts as well. Nothing is lost.
        for _ in 0..<3 { await stage.send([], first: 8) }
        await stage.send([Self.frame(9)], first: 8)
        #expect(stage.ear.heard.count == 8)
        await stage.clock.advance(by: 2_000_000_000)
        #expect(stage.ear.heard == Array(1...9) && stage.ear.end == nil)
        await stage.end()
    }

    @Test func whileTooMuchWaitsToLeaveNothingMoreIsRead() async throws {
        var limits = LinkLimits()
        limits.unsentWhileReading = 2_000
        // Whatever leaves takes ten seconds, and as long nothing else does.
        let stage = try Stage(capacity: 100, limits: limits)
        let large = FrameWriter.data(flags: [], peer: .hub, call: 1, bytes: [UInt8](repeating: 0, count: 1_500)[...])
        for _ in 0..<3 { stage.link.send(large) }
        await stage.clock.advance(by: 0)
        for _ in 0..<3 { stage.link.send(large) }
        await stage.send([Self.frame(1), Self.frame(2)])
        await stage.send([Self.frame(3)], first: 2)
        await stage.clock.advance(by: 9_000_000_000)
        #expect(stage.ear.heard == [1, 2])
        await stage.clock.advance(by: 12_000_000_000)
        #expect(stage.ear.heard == [1, 2, 3] && stage.ear.end == nil)
        await stage.end()
    }

    @Test func textHasNoPlaceHere() async throws {
        let stage = try Stage()
        [UInt8]("{}".utf8).withUnsafeBytes { stage.link.received(text: $0) }
        await stage.send([Self.frame(1)])
        await stage.clock.advance(by: 14_000_000_000)
        #expect(stage.ear.heard.isEmpty && stage.ear.end?.code == .protocolViolation)
    }

    @Test func aLinkInTheProcessStopsAtTheFirstMalformedFrame() {
        let ear = Ear()
        let (near, far) = LocalLink.pair()
        near.start(Ear())
        far.start(ear)
        near.send(Self.frame(1) + Fault.unknownType.bytes + Self.frame(2))
        #expect(ear.heard == [1] && ear.end?.code == .protocolViolation)
        #expect(near.send(Self.frame(3)) == .closed && ear.heard == [1])
        let closing = Ear { _, link throws(TelekinesisError) in link.close(TelekinesisError(.overloaded, "enough")) }
        let (one, two) = LocalLink.pair()
        one.start(Ear())
        two.start(closing)
        one.send(Self.frame(1) + Self.frame(2))
        #expect(closing.heard == [1])
    }
}
