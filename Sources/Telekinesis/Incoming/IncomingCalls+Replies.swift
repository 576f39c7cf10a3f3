internal import MessagePack
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension IncomingCalls {
    /// A call has its answer.
    ///
    /// - Parameter references: what the answer hands over.
    /// - Returns: the memory of the reply when it is of use for another one, else nothing.
    func finish(_ call: IncomingCall, reply: consuming SplitBytes, flags: ReplyFlags, _ references: OutgoingReferences?) -> [UInt8] {
        let rest = answer(call.id, reply, flags, references, on: call.link, of: call)
        remove(call)
        return rest
    }

    /// - Returns: see ``finish(_:reply:flags:_:)``.
    @discardableResult
    func answer(
        _ id: IncomingCall.ID, _ reply: consuming SplitBytes, _ flags: ReplyFlags, _ references: OutgoingReferences? = nil,
        on link: any FrameLink, of call: IncomingCall? = nil, mayWaitBehind limit: Int? = nil
    ) -> [UInt8] {
        var flags = flags
        // There is always room for the short word that there is none.
        let isRefusal = flags.contains(.isError) && reply.count <= Self.largestRefusal
        let limit = limit ?? (isRefusal ? QueueLimit.replies : QueueLimit.relayed)
        let encoding = call?.head.encoding ?? .messagePack
        if references != nil, call?.callerHasGone == true {
            // Should it have come back, nobody there waits for what would be handed over.
            refuse(id, Self.cancelled, in: encoding, on: link)
            return []
        }
        if let references {
            reply.bytes.insert(contentsOf: references.table, at: FrameHead.size)
            flags.insert(.references)
        }
        let largest = FrameHead.size + FrameHead.maximumBody
        reply.join(beyond: largest)
        let size = min(reply.bytes.count, largest)
        let isLarge = size < reply.count
        if isLarge {
            guard state.withLock({ $0.downloads.haveRoom(for: id.source, limits: partialLimits) }) else {
                refuse(id, Self.resultsWait, in: encoding, on: link)
                return []
            }
            flags.insert(.more)
        }
        reply.bytes.withUnsafeMutableBytes { memory in
            FrameWriter.reply(
                over: UnsafeMutableRawBufferPointer(rebasing: memory[..<size]), flags: flags, peer: id.source, call: id.call)
        }
        let outcome: SendOutcome
        if let references {
            do throws(TelekinesisError) {
                outcome = try give(references, to: id.source, with: reply.bytes[..<size], on: link, of: call, limit: limit)
            } catch {
                var error = error
                error.ran = .yes
                refuse(id, error, in: encoding, on: link)
                return []
            }
        } else {
            outcome = reply.bytes.withUnsafeBytes {
                link.send(UnsafeRawBufferPointer(rebasing: $0[..<size]), count: 1, lane: .urgent, patch: .none, limit: limit)
            }
        }
        switch outcome {
        case .closed: return []
        case .full where !isRefusal:
            refuse(id, Self.resultDoesNotFit(ran: call == nil ? .no : .yes), in: encoding, on: link)
            return []
        case .full:
            // An answer must not be lost without a word: the end of the connection is one.
            link.close(TelekinesisError(.overloaded, "the hub reads too slowly: answers can wait no longer", ran: .maybe))
            return []
        case .queued: break
        }
        guard isLarge else { return reply.count <= Self.largestSpare ? reply.bytes : [] }
        sendRest(of: reply, from: size, to: id, on: link, for: call)
        return []
    }

    /// An error of more bytes waits where results do.
    private static let largestRefusal = 1024

    private static func resultDoesNotFit(ran: TelekinesisError.Execution) -> TelekinesisError {
        let what = "the provider's answers leave too slowly: there is no room for this one behind all that wait"
        return TelekinesisError(.overloaded, what, ran: ran)
    }

    /// Workers keep no more memory than that for the next reply.
    private static let largestSpare = 1024

    /// Sends the first frame of an answer that hands something over, and in front of it the word to the owners of what is others'.
    private func give(
        _ references: OutgoingReferences, to holder: NodeID, with frame: ArraySlice<UInt8>, on link: any FrameLink, of call: IncomingCall?,
        limit: Int
    ) throws(TelekinesisError) -> SendOutcome {
        let (shares, count) = try references.give(to: holder, in: registry)
        let outcome = (shares + frame).withUnsafeBytes {
            link.send($0, count: count + 1, lane: .urgent, patch: .none, limit: limit)
        }
        // The end of the link, or of the caller, has freed what was held by then, but not what is given after it.
        if outcome != .queued || call?.callerHasGone == true { references.takeBack(from: holder, in: registry) }
        return outcome
    }

    /// - Parameter encoding: that of the call.
    func refuse(_ id: IncomingCall.ID, _ error: TelekinesisError, in encoding: Encoding = .messagePack, on link: any FrameLink) {
        var writer = ReplyWriter.start()
        let flags = ReplyWriter.write(error, in: encoding, into: &writer)
        answer(id, SplitBytes(writer.bytes), flags, on: link)
    }
}
