internal import Distributed
internal import MessagePack
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// One call that came in: from its frame to its answer, of which there is exactly one.
final class IncomingCall: Sendable {
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
    private let control: Mutex<Control>

    /// - Parameter callee: what the call is made on; `nil` when that is still under construction, see ``assign(_:)``.
    init(
        id: ID, callee: Callee?, action: Action, head: CallBody, body: SplitBytes, received: ReceivedReferences?, metadata: CallMetadata?,
        deadline: UInt64?,
        link: any FrameLink, owner: IncomingCalls
    ) {
        self.id = id
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
    }

    /// Executes the call and answers it.
    nonisolated(nonsending) func run(by worker: Worker) async {
        let (callee, isCancelled) = control.withLock { control in
            control.worker = worker
            return (control.callee, control.isCancelled)
        }
        var writer: MessagePackWriter
        var flags: ReplyFlags = []
        var references: OutgoingReferences?
        var failure: TelekinesisError?
        if isCancelled {
            let error = TelekinesisError(.cancelled, "the call was cancelled before it began")
            writer = ReplyWriter.start()
            flags = ReplyWriter.write(error, into: &writer)
            failure = error
        } else {
            var scope = CallScope(deadline: deadline, isUnlimited: deadline == nil, incoming: self)
            if let trace = metadata?.trace.flatMap({ TraceContext(traceparent: $0) }) { scope.baggage = Boxed(Baggage(trace: trace)) }
            if head.selector == ObjectService.open.rawValue, case .stream(let source) = callee?.kind {
                await stream(source, in: scope)
                return control.withLock { control in
                    control.worker = nil
                    control.isAnswered = true
                }
            }
            do {
                (writer, references) = try await execute(
                    on: callee, ReplyWriter.start(in: worker.takeSpare()), in: scope, worker.scratch)
                if case .produce(let key) = action { try keep(under: key, &writer, &references) }
                if let references, !references.placesAreKnown { try await references.findPlaces() }
            } catch {
                writer = ReplyWriter.start()
                references = nil
                flags = ReplyWriter.write(thrown: error, into: &writer)
                failure = (error as? Refusal)?.error ?? .thrown(error)
            }
        }
        let reporter = control.withLock { control in
            control.worker = nil
            control.isAnswered = true
            return control.reporter
        }
        if let reporter { await reporter.finish() }
        worker.spare = owner.finish(self, reply: writer.take(), flags: flags, references)
        // The error of this call is told first, so that its caller knows why the others fail.
        if let failure, let key = action.key { owner.registry.settle(key, .failure(failure)) }
    }

    private nonisolated(nonsending) func execute(
        on callee: Callee?, _ start: consuming MessagePackWriter, in scope: CallScope, _ scratch: ResultScratch
    ) async throws -> (MessagePackWriter, OutgoingReferences?) {
        scope.enter()
        defer { CallScope.leave() }
        guard owner.interceptors.isEmpty else {
            let start = start
            return try await intercepted(callee) { try await self.execute(on: callee, start, ResultScratch()) }
        }
        return try await execute(on: callee, start, scratch)
    }

    private nonisolated(nonsending) func execute(
        on callee: Callee?, _ start: consuming MessagePackWriter, _ scratch: ResultScratch
    ) async throws -> (MessagePackWriter, OutgoingReferences?) {
        var writer = start
        var references: OutgoingReferences?
        // By itself, since the pair below is a copy of both.
        if case .object(let object, let table) = callee?.kind, !action.isCreation {
            references = try await Self.execute(
                on: object, table, head: head, body: body, received, on: owner.node, scratch, into: &writer)
            return (writer, references)
        }
        switch (action, callee?.kind) {
        case (.call, .function(let function)), (.produce, .function(let function)):
            let result = try await fetching(callee) { fetched in
                var decoder = try ArgumentBinding.arguments(
                    of: function.description, handsOver: function.handsOver, head: head, body: body, received, on: owner.node)
                decoder.fetched = fetched
                return try await function.body(&decoder)
            }
            var scope = CodingScope(writing: nil, home: .passUnretained(owner.node), takesValues: true)
            try scope.run { try result(&writer) }
            references = scope.outgoing
            if let values = scope.values { try await values.store(into: &writer.bytes, on: owner.node.storage, ran: .yes) }
        case (.create(let key), .factory(let factory)):
            let object = try await fetching(callee) { fetched in
                var decoder = try ArgumentBinding.arguments(of: factory.initializer, head: head, body: body, received, on: owner.node)
                decoder.fetched = fetched
                return try await factory.make(&decoder)
            }
            owner.registry.settle(key, .success(Callee(.object(object, factory.table))))
            writer.writeNil()
        case (.call, _), (.produce, _), (.create, _):
            throw Refusal(.noSuchMethod, "this name stands for something else: see `tk describe`")
        }
        return (writer, references)
    }

    /// Runs what reads the arguments; storable values among them are fetched first, and then it is run again.
    private nonisolated(nonsending) func fetching<Result>(
        _ callee: Callee?, _ body: nonisolated(nonsending) (FetchedValues?) async throws -> Result
    ) async throws -> Result {
        var fetched: FetchedValues?
        for _ in 0..<FetchNeeded.maximumPasses {
            do {
                return try await body(fetched)
            } catch let needed as FetchNeeded {
                fetched = try await Self.fetch(needed, into: fetched, on: owner.node)
            } catch let refusal as Refusal {
                throw refusal.naming(callee?.publishedName)
            }
        }
        throw Refusal(FetchNeeded.tooManyKinds(ran: .no))
    }

    private static func fetch(_ needed: FetchNeeded, into fetched: FetchedValues?, on home: NodeHome) async throws -> FetchedValues {
        do {
            return try await needed.fetch(into: fetched, on: home, ran: .no)
        } catch let error as TelekinesisError {
            throw Refusal(error)
        }
    }

    /// Finds the method, runs it, writes its result.
    ///
    /// - Returns: what the result hands over.
    nonisolated(nonsending) static func execute(
        on object: any DistributedActor, _ table: MethodTable, head: CallBody, body: SplitBytes, _ received: ReceivedReferences?,
        on home: NodeHome, _ scratch: ResultScratch? = nil, fetched: FetchedValues? = nil, pass: Int = 0,
        into writer: inout MessagePackWriter
    ) async throws -> OutgoingReferences? {
        var (method, arguments) = try ArgumentBinding.method(head.selector, of: table, head: head, body: body, received, on: home)
        arguments.fetched = fetched
        let result: MethodResult
        do throws(MethodFailure) {
            result = try await method.execute(on: object, arguments: &arguments, scratch: scratch)
        } catch {
            switch error {
            case .refused(let reason):
                if let needed = reason.cause as? FetchNeeded {
                    guard pass < FetchNeeded.maximumPasses else { throw Refusal(FetchNeeded.tooManyKinds(ran: .no)) }
                    let fetched = try await fetch(needed, into: fetched, on: home)
                    return try await execute(
                        on: object, table, head: head, body: body, received, on: home, scratch, fetched: fetched, pass: pass + 1,
                        into: &writer)
                }
                throw ArgumentBinding.refusal(reason, of: method, callerSignature: head.signature)
            case .thrown(let error): throw error
            }
        }
        var sink = ReplySink(writer: writer, home: home)
        writer = MessagePackWriter()
        do {
            defer { writer = sink.writer }
            try result.write(into: &sink)
        }
        if let values = sink.values { try await values.store(into: &writer.bytes, on: home.storage, ran: .yes) }
        return sink.references
    }

    /// The object that the call waited for is there.
    func assign(_ callee: Callee) { control.withLock { $0.callee = callee } }

    /// Answers with an error without running anything.
    func refuse(_ error: TelekinesisError) {
        var writer = ReplyWriter.start()
        let flags = ReplyWriter.write(error, into: &writer)
        _ = owner.finish(self, reply: writer.take(), flags: flags, nil)
    }

    /// The node that calls. Who has gone is kept by its calls before the session forgets it, so one of the two knows it.
    var caller: Caller? {
        if let kept = control.withLock({ $0.caller }) { return kept }
        guard let session = owner.node.session else { return nil }
        return session.caller(id.source) ?? control.withLock { $0.caller } ?? session.acquaintance(of: id.source).caller
    }

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

/// Writes replies: room for the head, the encoding, the value.
enum ReplyWriter {
    static let prefix = FrameHead.size

    static func start() -> MessagePackWriter {
        // The encoding's number is 0, as is the head that is still to be written.
        MessagePackWriter(appendingTo: .zeros(prefix + 1, capacity: 64))
    }

    /// The same in the memory of a reply that has left.
    static func start(in spare: consuming [UInt8]) -> MessagePackWriter {
        guard spare.count > prefix else { return start() }
        spare.removeSubrange((prefix + 1)...)
        spare[prefix] = 0
        return MessagePackWriter(appendingTo: spare)
    }

    /// Writes an error that the runtime found before the method was executed.
    static func write(_ error: TelekinesisError, into writer: inout MessagePackWriter) -> ReplyFlags {
        write(WireError(error), ran: error.ran, into: &writer)
    }

    /// Writes what executing a call threw.
    static func write(thrown error: any Error, into writer: inout MessagePackWriter) -> ReplyFlags {
        if let refusal = error as? Refusal { return write(refusal.error, into: &writer) }
        let (wire, ran) = ThrownErrors.encode(error)
        return write(wire, ran: ran, into: &writer)
    }

    private static func write(_ wire: WireError, ran: TelekinesisError.Execution, into writer: inout MessagePackWriter) -> ReplyFlags {
        try? MessagePackEncoder().encode(wire, into: &writer)
        return .error(ran: ran)
    }
}

extension [UInt8] {
    /// So many zeros, with room for more.
    static func zeros(_ count: Int, capacity: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: capacity) { memory, initialized in
            memory[..<count].initialize(repeating: 0)
            initialized = count
        }
    }
}

extension MessagePackWriter {
    /// Gives the bytes away, owned by nobody else: they can be changed in place.
    mutating func takeBytes() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &bytes)
        return taken
    }

    /// The same with the tail, if there is one.
    mutating func take() -> SplitBytes { SplitBytes(takeBytes(), tail: tail.take()) }
}

/// Takes the result of a method, and what it hands over.
private struct ReplySink: ResultSink {
    var writer: MessagePackWriter
    let home: NodeHome
    var references: OutgoingReferences?
    /// The storable values in it.
    var values: OutgoingValues?

    init(writer: MessagePackWriter, home: NodeHome) {
        self.writer = writer
        self.home = home
    }

    mutating func write<Result: Codable>(_ result: Result) throws {
        if writer.keep(result, longerThan: FrameHead.maximumBody) { return }
        var scope = CodingScope(writing: nil, home: .passUnretained(home), takesValues: true)
        do {
            try scope.run { try MessagePackEncoder().encode(result, into: &writer) }
        } catch {
            throw TelekinesisError(.badResult, "the result, a \(Result.self), cannot be encoded: \(error)", ran: .yes, cause: error)
        }
        references = scope.outgoing
        values = scope.values
    }

    mutating func writeVoid() { writer.writeNil() }
}

/// An error found before the method was executed; its `ran` is to be believed.
struct Refusal: Error {
    let error: TelekinesisError

    init(_ code: TelekinesisError.Code, _ message: String, cause: (any Error)? = nil) {
        error = TelekinesisError(code, message, ran: .no, cause: cause)
    }

    init(_ error: TelekinesisError) { self.error = error }

    /// The same, where arguments do not fit what is published under a name.
    func naming(_ name: String?) -> Refusal {
        guard error.code == .badArguments, let name else { return self }
        var error = error
        error.message = "“\(name)”: \(error.message); `tk describe \(name)` shows what it takes"
        return Refusal(error)
    }
}
