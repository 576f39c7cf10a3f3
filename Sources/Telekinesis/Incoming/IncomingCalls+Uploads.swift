internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// A call whose arguments come in parts.
struct ArrivingCall {
    /// The head of its frame.
    let frame: [UInt8]
    let place: Arrivals.Place
    /// The key under which it makes an instance: calls to that may come before the arguments are whole.
    let created: ActorKey?
    /// The objects, functions and streams among the arguments.
    let received: ReceivedReferences?
    var transfer: IncomingTransfer
}

extension IncomingCalls {
    /// The first part of a large call came.
    func arrive(_ frame: Frame, _ id: IncomingCall.ID, _ received: ReceivedReferences?, on link: any FrameLink) {
        do throws(TelekinesisError) {
            let size = frame.body.count
            let isWelcome = state.withLock { state in
                state.uploadedBytes + size <= configuration.maximumPartialBytes && state.uploads[id] == nil
                    && state.uploads.count < configuration.maximumIncomingCalls
            }
            guard isWelcome else { throw Self.tooMuchArrives }
            let call = ArrivingCall(
                frame: [UInt8](frame.bytes.prefix(FrameType.call.headSize)), place: .init(source: id.source, key: frame.key),
                created: try register(frame, id.source), received: received,
                transfer: IncomingTransfer([UInt8](frame.body), limit: configuration.maximumValue))
            state.withLock { state in
                state.uploads[id] = call
                state.uploadedBytes += size
                state.arrivals.begin(id.call, at: call.place)
            }
        } catch {
            refuse(id, error, on: link)
        }
    }

    private static let tooMuchArrives = TelekinesisError(.overloaded, "too many large values are on their way to this provider")

    /// Registers the instance that a large call is about to make.
    private func register(_ frame: Frame, _ source: NodeID) throws(TelekinesisError) -> ActorKey? {
        let flags = CallFlags(rawValue: frame.flags)
        guard flags.contains(.resultKey), registry.ready(frame.key)?.isFactory == true,
            let head = try? CallBody(parsing: frame.body, flags: flags), head.selector == ObjectService.create.rawValue,
            let key = head.resultKey
        else { return nil }
        try registry.begin(key, for: source)
        return key
    }

    /// More of it came.
    func argumentsContinue(_ frame: Frame, on link: any FrameLink) {
        enum Next { case grant(UInt32), complete(ArrivingCall), refuse(TelekinesisError), ignore }
        let id = IncomingCall.ID(source: frame.peer, call: frame.call)
        let isLast = ChannelFlags(rawValue: frame.flags).contains(.last)
        let part = frame.body
        let next = state.withLock { state -> Next in
            guard var call = state.uploads.removeValue(forKey: id) else { return .ignore }
            let before = call.transfer.bytes.count
            do throws(TelekinesisError) {
                guard state.uploadedBytes + part.count <= configuration.maximumPartialBytes else { throw Self.tooMuchArrives }
                let granted = try call.transfer.append(part)
                if isLast {
                    state.uploadedBytes -= before
                    return .complete(call)
                }
                state.uploadedBytes += part.count
                state.uploads[id] = call
                return .grant(granted)
            } catch {
                state.uploads[id] = call
                return .refuse(error)
            }
        }
        switch next {
        case .ignore: break
        case .grant(let amount):
            if amount > 0 { link.send(FrameWriter.credit(flags: [], peer: id.source, call: id.call, amount: amount)) }
        case .refuse(let error):
            drop(id, error)
            refuse(id, error, on: link)
        case .complete(let call):
            var head = call.frame
            head.withUnsafeMutableBytes { head in
                head.storeBytes(of: UInt32(head.count).littleEndian, as: UInt32.self)
                guard let frame = try? Frame(checking: UnsafeRawBufferPointer(head)) else { return }
                accept(frame, body: call.transfer.bytes, id, call.received, arrived: call, on: link)
            }
            startArrived(at: call.place)
            noteIdle()
        }
    }

    /// Forgets a call that is not whole; the calls behind it go on.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    func drop(_ id: IncomingCall.ID, _ reason: TelekinesisError) -> Bool {
        let call = state.withLock { state -> ArrivingCall? in
            guard let call = state.uploads.removeValue(forKey: id) else { return nil }
            state.uploadedBytes -= call.transfer.bytes.count
            state.arrivals.end(id.call, at: call.place, with: nil)
            return call
        }
        guard let call else { return false }
        if let key = call.created { registry.settle(key, .failure(reason)) }
        startArrived(at: call.place)
        noteIdle()
        return true
    }

    /// Starts the calls whose turn has come.
    func startArrived(at place: Arrivals.Place) {
        while let call = state.withLock({ $0.arrivals.next(at: place) }) {
            if call.charged != nil {
                dispatcher.submit(call)
            } else {
                startWhenMade(call, place.key)
            }
        }
    }

    /// Starts a call on an object that was under construction when the call came.
    private func startWhenMade(_ call: IncomingCall, _ key: ActorKey) {
        while true {
            switch registry.callee(key) {
            case .ready(let callee):
                call.assign(callee)
                return dispatcher.submit(call)
            case .pending: if registry.wait(call, for: key) { return }
            case .failed(let error): return call.refuse(error)
            case .missing: return call.refuse(Self.noSuchObject(key))
            }
        }
    }
}
