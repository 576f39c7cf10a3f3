package import Distributed
package import TelekinesisProtocol

/// The arguments of a call as they came in: a decoder for the distributed runtime that knows how many there are.
package protocol InvocationArguments: DistributedTargetInvocationDecoder, Sendable {
    /// How many arguments the call carries.
    var argumentCount: Int { get }
    /// How many arguments `decodeNextArgument` has returned.
    var decodedCount: Int { get }
}

/// Why a method gave no result.
package enum MethodFailure: Error {
    /// The method was not executed.
    case refused(TelekinesisError)
    /// The method threw this.
    case thrown(any Error)
}

/// What is made once per method so that a call looks up, demangles and casts nothing.
final class Preparation: Sendable {
    /// The accessor's address, as a number because pointers are not Sendable.
    let accessor: UInt
    /// Where the metadata of the parameters' types stand one after the other.
    let argumentTypes: UInt
    /// How to keep and write the result.
    let result: ResultType
    /// The one type of decoder for which the accessor was compiled.
    let decoderType: ObjectIdentifier

    /// Prepares a method that is not generic; `nil` when its result is not Codable.
    init?(accessor: UnsafeRawPointer, types: SignatureTypes, actorType: any DistributedActor.Type) {
        guard let result = ResultType.of(types.result) else { return nil }
        self.accessor = UInt(bitPattern: accessor)
        let storage = UnsafeMutablePointer<any Any.Type>.allocate(capacity: types.parameters.count + 1)
        for (index, type) in types.parameters.enumerated() { (storage + index).initialize(to: type) }
        argumentTypes = UInt(bitPattern: storage)
        self.result = result
        func decoder<A: DistributedActor>(_: A.Type) -> any Any.Type { A.ActorSystem.InvocationDecoder.self }
        decoderType = ObjectIdentifier(decoder(actorType))
    }

    deinit { UnsafeMutableRawPointer(bitPattern: argumentTypes)?.deallocate() }
}

extension Method {
    /// Decodes the arguments and runs the method on `actor`.
    ///
    /// The accessor that the compiler emitted beside the method is called directly, as the runtime's `swift_distributed_execute_target` does after it has
    /// found it by name (stdlib/public/Distributed/DistributedActor.cpp, Swift 6.3). All that the runtime leaves unchecked is checked first: that the method
    /// is one of this actor's own type, that the actor is here, that the decoder is the one of its system, and that the count of arguments is right.
    ///
    /// - Parameter scratch: where a small result may be kept until it is written; nobody else uses it until then.
    /// - Returns: the result, to be written once.
    /// - Throws: ``MethodFailure/refused(_:)`` when the method did not run, ``MethodFailure/thrown(_:)`` with its own error.
    package nonisolated(nonsending) func execute<Decoder: InvocationArguments>(
        on actor: any DistributedActor, arguments: inout Decoder, scratch: ResultScratch? = nil
    ) async throws(MethodFailure) -> MethodResult {
        let preparation = try check(actor, arguments)
        // A metatype as an existential is the type's metadata and its witness table.
        let (metadata, witnesses) = unsafeBitCast(Decoder.self as any DistributedTargetInvocationDecoder.Type, to: (UInt, UInt).self)
        let accessor = unsafeBitCast((preparation.accessor, UInt(0)), to: Accessor<Decoder>.self)
        let result = preparation.result.allocate(scratch)
        do {
            try await accessor.call(&arguments, preparation.argumentTypes, UInt(bitPattern: result), 0, 0, 0, actor, metadata, witnesses)
        } catch {
            preparation.result.deallocate(result, scratch)
            guard arguments.decodedCount == parameterTypes.count else { throw refusal(error, of: arguments.decodedCount) }
            throw .thrown(error)
        }
        return MethodResult(at: result, type: preparation.result, scratch)
    }

    /// Refuses whatever the runtime would execute with undefined behaviour.
    private func check<Decoder: InvocationArguments>(
        _ actor: any DistributedActor, _ arguments: borrowing Decoder
    ) throws(MethodFailure) -> Preparation {
        guard ObjectIdentifier(type(of: actor)) == ObjectIdentifier(actorType), !__isRemoteActor(actor) else {
            throw .refused(TelekinesisError(.internalError, "\(signature) is not a method of this object", ran: .no))
        }
        guard let preparation else {
            throw .refused(TelekinesisError(.unsupported, refusal ?? signature, ran: .no))
        }
        guard preparation.decoderType == ObjectIdentifier(Decoder.self) else {
            throw .refused(TelekinesisError(.internalError, "\(Decoder.self) cannot decode arguments for \(signature)", ran: .no))
        }
        guard arguments.argumentCount == parameterTypes.count else {
            let taken = parameterTypes.count == 1 ? "one argument" : "\(parameterTypes.count) arguments"
            throw .refused(
                TelekinesisError(.badArguments, "\(signature) takes \(taken); the call has \(arguments.argumentCount)", ran: .no))
        }
        return preparation
    }

    private func refusal(_ error: any Error, of index: Int) -> MethodFailure {
        let parameter = labels[index] == "_" ? "argument \(index + 1)" : "argument “\(labels[index])”"
        let message = "\(parameter) of \(signature) is not of type \(parameterTypeNames[index]): \(DecodingError.reason(of: error))"
        return .refused(TelekinesisError(.badArguments, message, ran: .no, cause: error))
    }
}

/// A distributed accessor as a function value: the address of its `AsyncFunctionPointer`, and no context.
///
/// Inside a struct a function has the calling convention of its written type; passed through `unsafeBitCast` by itself it would be taken for one whose
/// parameters are all indirect. Pointers are written as numbers: both travel in the same registers, and numbers are Sendable.
/// Parameters: lib/IRGen/GenDistributed.cpp, `DistributedAccessor`.
private struct Accessor<Decoder> {
    let call:
        (
            _ decoder: inout Decoder, _ argumentTypes: UInt, _ result: UInt, _ substitutions: UInt, _ witnessTables: UInt,
            _ witnessTableCount: UInt, _ actor: AnyObject, _ decoderType: UInt, _ decoderWitnesses: UInt
        ) async throws -> Void
}
