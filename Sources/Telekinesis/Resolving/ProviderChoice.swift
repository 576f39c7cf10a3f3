internal import TelekinesisProtocol

/// Which of several providers of a name calls go to.
public struct ProviderChoice: Sendable, Hashable {
    /// FNV-1a-64 of the text that calls stick to; `nil` for none.
    let key: UInt64?

    /// Whichever is the name's turn, for each call anew: what the providers said when they published it.
    public static let balanced = ProviderChoice(key: nil)

    /// Always the same provider for the same key, whoever calls, as long as it is there; when a provider comes or goes, only its share of the keys moves.
    ///
    /// Where that provider has no room (its `concurrency`, or somebody has reserved it), the calls wait for it.
    ///
    /// - Parameter key: what calls have in common that are to go to one place: a user, a document. Only its hash travels.
    public static func sticky(by key: String) -> ProviderChoice {
        var hash = FNV1a64()
        hash.combine(key.utf8)
        return ProviderChoice(key: hash.value)
    }
}
