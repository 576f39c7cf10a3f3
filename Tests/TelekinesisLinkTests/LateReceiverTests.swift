import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

/// A receiver that comes when the link it is to hear has ended already.
@Suite struct LateReceiverTests {
    @Test func aLateReceiverHearsTheEndOfItsLinkOnce() {
        let (near, far) = LocalLink.pair()
        far.close(TelekinesisError(.draining, "over"))
        let late = Listener()
        near.start(late)
        #expect(late.ends.withLock { $0 } == [.draining])
        near.close(TelekinesisError(.cancelled, "again"))
        #expect(late.ends.withLock { $0 } == [.draining])
        #expect(far.send([1, 2, 3]) == .closed && near.send([1, 2, 3]) == .closed)
    }

    @Test func aLateReceiverHearsTheEndOfItsTransportOnce() async throws {
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 1, clock: .virtual(clock))
        defer { group.shutdown() }
        let (near, far) = InMemoryTransport.pair((group.next(), group.next()))
        far.close(code: 1001, reason: "over")
        await clock.advance(by: 0)
        let late = Listener()
        near.start(late)
        await clock.advance(by: 0)
        near.cut()
        await clock.advance(by: 0)
        #expect(late.codes.withLock { $0 } == [1001])
    }
}

private final class Listener: FrameReceiver, TransportReceiver {
    let ends = Mutex<[TelekinesisError.Code]>([])
    let codes = Mutex<[UInt16]>([])

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {}
    func ended(_ link: any FrameLink, _ reason: TelekinesisError) { ends.withLock { $0.append(reason.code) } }

    func received(_ message: UnsafeRawBufferPointer) {}
    func received(text: UnsafeRawBufferPointer) {}
    func writable() {}
    func closed(_ end: TransportEnd) { codes.withLock { $0.append(end.code) } }
}
