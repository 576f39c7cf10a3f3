internal import TelekinesisProtocol

extension CallTarget {
    /// Explains a reply to the caller of this method: the provider knows the method by a hash only, so where it has none of the kind, what was
    /// called, and through what, is said here.
    ///
    /// - Throws: `noSuchMethod` in place of such a reply.
    func explain(_ reply: borrowing Reply, of id: ActorID) throws {
        // Only what was refused: a method that ran may have met the same error elsewhere.
        guard reply.flags.contains(.isError), reply.flags.ran == .no else { return }
        var error = reply.error
        guard error.code == .noSuchMethod else { return }
        let advice =
            switch id.target.address {
            case .name(let name):
                "resolve “\(name)” as what it is (`tk describe \(name)` tells), or publish something there that has this method"
            case .object: "call it through a type or protocol whose methods it has"
            }
        error.message = "\(signature) of \(typeName) was called on \(id). \(error.message). To mend it, \(advice)"
        throw error
    }
}
