internal import TelekinesisProtocol

/// An error found before the method was executed; its `ran` is to be believed.
struct Refusal: Error {
    let error: TelekinesisError

    init(_ code: TelekinesisError.Code, _ message: String, cause: (any Error)? = nil) {
        error = TelekinesisError(code, message, ran: .no, cause: cause)
    }

    init(_ error: TelekinesisError) { self.error = error }
}
