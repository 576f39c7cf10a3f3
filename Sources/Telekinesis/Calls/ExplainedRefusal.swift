internal import TelekinesisProtocol

extension CallTarget {
    /// Explains a reply to the caller of this method: the provider knows the method by hashes only, so where it has none of the kind, or one with
    /// another signature, what was called, and through what, is said here.
    ///
    /// - Throws: `noSuchMethod` or `incompatible` in place of such a reply.
    func explain(_ reply: borrowing Reply, of id: ActorID) throws {
        // Only what was refused: a method that ran may have met the same error elsewhere.
        guard reply.flags.contains(.isError), reply.flags.ran == .no else { return }
        var error = reply.error
        let called = "\(signature) of \(typeName) was called on \(id)"
        switch error.code {
        case .noSuchMethod:
            error.message = "\(called). \(error.message). To mend it, \(Self.advice(on: id))"
        case .incompatible:
            error.message = "\(called), but \(error.message). To mend it, build both with the same declaration of the method"
        default: return
        }
        throw error
    }

    /// What to do about a method that is not there.
    private static func advice(on id: ActorID) -> String {
        switch id.target.address {
        case .name(let name):
            "resolve “\(name)” as what it is (`tk describe \(name)` tells), or publish something there that has this method"
        case .object: "call it through a type or protocol whose methods it has"
        }
    }
}
