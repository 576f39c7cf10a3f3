internal import Distributed
internal import JSONText
internal import MessagePack
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// One call that came in: from its frame to its answer, of which there is exactly one.
final class IncomingCall: QueuedCall, Sendable {
    /// What is to be done.
    enum Action: Sendable {
        /// Call a method of an object, or a function.
        case call
        /// Make an instance and register it under this key.
        case create(ActorKey)
        /// Call, and register the object that is returned under this key.
        case produce(ActorKey)

        var isCreation: Bool { if case .create = self { true } else { false } }

        /// The key that the caller has chosen for what comes of it.
        var key: ActorKey? {
            switch self {
            case .call: nil
            case .create(let key), .produce(let key): key
            }
        }
    }

    /// Which call: ids are the caller's own, so both are needed.
    struct ID: Hashable, Sendable {
        let source: NodeID
        let call: CallID

        /// The id as a table has it.
        var pair: PairKey { PairKey(source.rawValue, call) }
    }

    private struct Control {
        /// What it is made on; `nil` as long as that is under construction.
        var callee: Callee?
        var worker: Worker?
        var isCancelled = false
        /// Whether the method has returned or thrown.
        var isAnswered = false
        /// Made when the method tells something.
        var reporter: CallReporter?
        /// Kept when the caller has gone.
        var caller: Caller?
    }

    let id: ID
    /// The key that it was made on.
    private let target: ActorKey
    /// Whose count of calls this one is in.
    let charged: Callee?
    let action: Action
    let head: CallBody
    /// The body of the call.
    let body: SplitBytes
    /// The objects, functions and streams among its arguments.
    let received: ReceivedReferences?
    /// What the caller has put beside the arguments; `nil` when that is nothing.
    let metadata: CallMetadata?
    /// Until when the caller waits, on this machine's clock; `nil` for ever.
    let deadline: UInt64?
    let link: any FrameLink
    let owner: IncomingCalls
    let dispatcher: Dispatcher
    private let control: Mutex<Control>

    /// - Parameter callee: what the call is made on; `nil` when that is still under construction, see ``assign(_:)``.
    init(
        id: ID, target: ActorKey, callee: Callee?, action: Action, head: CallBody, body: SplitBytes, received: ReceivedReferences?,
        metadata: CallMetadata?, deadline: UInt64?, link: any FrameLink, owner: IncomingCalls, dispatcher: Dispatcher
    ) {
        self.id = id
        self.target = target
        charged = callee
        control = Mutex(Control(callee: callee))
        self.action = action
        self.head = head
        self.body = body
        self.received = received
        self.metadata = metadata
        self.deadline = deadline
        self.link = link
        self.owner = owner
        self.dispatcher = dispatcher
    }

    /// Has it executed, after the calls of its caller that were submitted before.
    func submit() { dispatcher.submit(self) }

    /// Whose calls to what: those are executed in the order in which they came.
    struct Order: Hashable, Sendable {
        let caller: NodeID
        let target: ActorKey
    }

    var order: Order { Order(caller: id.source, target: target) }

    /// Executes the call and answers it.
    nonisolated(nonsending) func run(by worker: Worker) async {
        let (callee, isCancelled) = control.withLock { control in
            control.worker = worker
            return (control.callee, control.isCancelled)
        }
        var reply: ReplySink
        var flags: ReplyFlags = []
        var failure: (any Error)?
        if isCancelled {
            let error = Refusal(.cancelled, "the call was cancelled before it began")
            (reply, flags) = failed(error)
            failure = error
        } else {
            var scope = CallScope(deadline: deadline, isUnlimited: deadline == nil, incoming: self)
            if metadata != nil { scope.baggage = baggage }
            if head.selector == ObjectService.open.rawValue, case .stream(let source) = callee?.kind {
                worker.arrive()
                await stream(source, in: scope)
                return control.withLock { control in
                    control.worker = nil
                    control.isAnswered = true
                }
            }
            reply = ReplySink(ReplyWriter.start(in: worker.takeSpare()), on: owner.node)
            let answersInJSON = head.encoding == .json
            // An object that is to be registered is no part of the answer.
            if answersInJSON, action.key == nil { reply.writesText = true }
            do {
                try await execute(on: callee, in: scope, by: worker, into: &reply)
                if case .produce(let key) = action { try keep(under: key, &reply.writer, &reply.references) }
                if let references = reply.references, !references.placesAreKnown { try await references.findPlaces(in: scope, ran: .yes) }
                if answersInJSON { try ReplyWriter.writeAsJSON(&reply.writer) }
            } catch {
                (reply, flags) = failed(error)
                failure = error
            }
        }
        let reporter = control.withLock { control in
            control.worker = nil
            control.isAnswered = true
            return control.reporter
        }
        if let reporter { await reporter.finish() }
        worker.spare = owner.finish(self, reply: reply.writer.take(), flags: flags, reply.references)
        // The error of this call is told first, so that its caller knows why the others fail.
        if let failure, let key = action.key { owner.registry.settle(key, .failure((failure as? Refusal)?.error ?? .thrown(failure))) }
    }

    // What most calls do not need stands in functions of its own, not inlined: the memory of an asynchronous function is that of all its branches.

    /// The reply of a call that has thrown this.
    @inline(never)
    private func failed(_ error: any Error) -> (ReplySink, ReplyFlags) {
        var reply = ReplySink(ReplyWriter.start(), on: owner.node)
        let flags = ReplyWriter.write(thrown: error, into: &reply.writer)
        if head.encoding == .json { try? ReplyWriter.writeAsJSON(&reply.writer) }
        return (reply, flags)
    }

    /// What calls of the method carry on, of what came with this one.
    @inline(never)
    private var baggage: Boxed<Baggage>? {
        metadata?.trace.flatMap { TraceContext(traceparent: $0) }.map { Boxed(Baggage(trace: $0)) }
    }

    private nonisolated(nonsending) func execute(
        on callee: Callee?, in scope: CallScope, by worker: Worker, into reply: inout ReplySink
    ) async throws {
        scope.enter()
        defer { CallScope.leave() }
        guard owner.interceptors.isEmpty else {
            worker.arrive()
            return try await executeIntercepted(on: callee, into: &reply)
        }
        if case .object(let object, let table) = callee?.kind, !action.isCreation {
            try await Self.execute(on: object, table, head: head, body: body, received, on: owner.node, worker, into: &reply)
        } else {
            worker.arrive()
            try await executeNamed(callee, into: &reply)
        }
    }

    @inline(never)
    private nonisolated(nonsending) func executeIntercepted(on callee: Callee?, into reply: inout ReplySink) async throws {
        let start = reply
        reply = try await intercepted(callee) {
            var reply = start
            if case .object(let object, let table) = callee?.kind, !self.action.isCreation {
                try await Self.execute(
                    on: object, table, head: self.head, body: self.body, self.received, on: self.owner.node, into: &reply)
            } else {
                try await self.executeNamed(callee, into: &reply)
            }
            return reply
        }
    }

    /// Calls a function, or makes an instance. Where arguments do not fit, the error says for what.
    @inline(never)
    private nonisolated(nonsending) func executeNamed(_ callee: Callee?, into reply: inout ReplySink) async throws {
        do {
            try await executeOther(callee, into: &reply)
        } catch let refusal as Refusal {
            throw refusal.naming(callee?.publishedName)
        }
    }

    private nonisolated(nonsending) func executeOther(_ callee: Callee?, into reply: inout ReplySink) async throws {
        switch (action, callee?.kind) {
        case (.call, .function(let function)), (.produce, .function(let function)):
            let result = try await Self.fetching(on: owner.node) { fetched in
                var decoder = try ArgumentBinding.arguments(
                    of: function.description, handsOver: function.handsOver, head: head, body: body, received, on: owner.node)
                decoder.fetched = fetched
                return try await function.body(&decoder)
            }
            try result(&reply)
            if let values = reply.values { try await values.store(into: &reply.writer.bytes, on: owner.node.storage, ran: .yes) }
        case (.create(let key), .factory(let factory)):
            let object = try await Self.fetching(on: owner.node) { fetched in
                var decoder = try ArgumentBinding.arguments(of: factory.initializer, head: head, body: body, received, on: owner.node)
                decoder.fetched = fetched
                return try await factory.make(&decoder)
            }
            owner.registry.settle(key, .success(Callee(.object(object, factory.table))))
            reply.writer.writeNil()
        case (.call, _), (.produce, _), (.create, _):
            throw Refusal(.noSuchMethod, "this name stands for something else: see `tk describe`")
        }
    }

    /// Runs what reads the arguments; storable values among them are fetched first, and then it is run again.
    ///
    /// - Parameter needed: what must be fetched, where it was run before.
    private nonisolated(nonsending) static func fetching<Result>(
        _ needed: FetchNeeded? = nil, on home: NodeHome, _ body: nonisolated(nonsending) (FetchedValues?) async throws -> Result
    ) async throws -> Result {
        var (needed, fetched) = (needed, FetchedValues?.none)
        for _ in 0..<FetchNeeded.maximumPasses {
            do {
                fetched = try await needed?.fetch(into: fetched, on: home, ran: .no)
            } catch let error as TelekinesisError {
                throw Refusal(error)
            }
            do {
                return try await body(fetched)
            } catch let next as FetchNeeded {
                needed = next
            }
        }
        throw Refusal(FetchNeeded.tooManyKinds(ran: .no))
    }

    /// Finds the method, runs it, writes its result.
    ///
    /// - Parameter fetched: the storable values among the arguments, where it is known that there are some.
    /// - Throws: ``FetchNeeded`` when some of those are missing.
    nonisolated(nonsending) static func execute(
        on object: any DistributedActor, _ table: MethodTable, head: CallBody, body: SplitBytes, _ received: ReceivedReferences?,
        on home: NodeHome, _ worker: Worker? = nil, fetched: FetchedValues? = nil, into reply: inout ReplySink
    ) async throws {
        var call = try ArgumentBinding.method(head.selector, of: table, head: head, body: body, received, on: home)
        if let fetched { call.arguments.fetched = fetched }
        if let worker { call.arguments.arrive(by: worker) }
        let result: MethodResult
        do throws(MethodFailure) {
            result = try await call.method.execute(on: object, arguments: &call.arguments, scratch: worker?.scratch)
        } catch {
            if fetched == nil, let needed = error.fetchNeeded {
                worker?.arrive()
                return try await execute(fetching: needed, on: object, table, head: head, body: body, received, on: home, into: &reply)
            }
            throw ArgumentBinding.error(of: error, call.method, callerSignature: head.signature)
        }
        try result.write(into: &reply)
        if let values = reply.values { try await values.store(into: &reply.writer.bytes, on: home.storage, ran: .yes) }
    }

    @inline(never)
    private nonisolated(nonsending) static func execute(
        fetching needed: FetchNeeded, on object: any DistributedActor, _ table: MethodTable, head: CallBody, body: SplitBytes,
        _ received: ReceivedReferences?, on home: NodeHome, into reply: inout ReplySink
    ) async throws {
        try await fetching(needed, on: home) { fetched in
            try await execute(on: object, table, head: head, body: body, received, on: home, fetched: fetched, into: &reply)
        }
    }

    /// The object that the call waited for is there.
    func assign(_ callee: Callee) { control.withLock { $0.callee = callee } }

    /// Answers with an error without running anything.
    func refuse(_ error: TelekinesisError) {
        var writer = ReplyWriter.start()
        let flags = ReplyWriter.write(error, in: head.encoding, into: &writer)
        _ = owner.finish(self, reply: writer.take(), flags: flags, nil)
    }

    /// The node that calls. Who has gone is kept by its calls before the session forgets it, so one of the two knows it.
    var caller: Caller? {
        if let kept = control.withLock({ $0.caller }) { return kept }
        guard let session = owner.node.session else { return nil }
        return session.caller(id.source) ?? control.withLock { $0.caller } ?? session.acquaintance(of: id.source).caller
    }

    /// Whether the caller has gone, and with it what it holds. Known before that is freed.
    var callerHasGone: Bool { control.withLock { $0.caller != nil } }

    /// The caller is about to be forgotten.
    func keep(_ caller: Caller) { control.withLock { $0.caller = $0.caller ?? caller } }

    /// What the method tells goes there.
    func reporter(_ make: () -> CallReporter) -> CallReporter {
        control.withLock { control in
            let reporter = control.reporter ?? make()
            control.reporter = reporter
            return reporter
        }
    }

    /// Whether the caller no longer waits.
    var isCancelled: Bool { control.withLock { $0.isCancelled } }

    /// Whether the method has returned or thrown: what it has left behind runs for nobody.
    var isAnswered: Bool { control.withLock { $0.isAnswered } }

    /// The caller no longer waits.
    func cancel() {
        let task = control.withLock { control in
            control.isCancelled = true
            // Under the lock: as long as this call is the worker's, the worker has not asked yet whether it may take another.
            return control.worker?.retire()
        }
        task?.cancel()
    }
}

extension TelekinesisError {
    /// An error of a user's code, kept to be told to others.
    static func thrown(_ error: any Error) -> TelekinesisError {
        error as? TelekinesisError
            ?? TelekinesisError(
                .methodFailed, String(describing: error), ran: .no,
                cause: RemoteError(typeName: ThrownErrors.name(of: type(of: error as Any)), message: String(describing: error)))
    }
}
