internal import TelekinesisProtocol

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
