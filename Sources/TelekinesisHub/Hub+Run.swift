internal import Reactor

extension Hub {
    /// Serves until the task is cancelled or the process is asked to end (SIGTERM or SIGINT), then shuts down in good order. SIGINT once more ends it at once.
    ///
    /// - Parameter grace: how long a shutdown in good order may take.
    /// - Throws: ``SystemError`` if the system refuses descriptors for the signals.
    public func run(grace: Duration = .seconds(30)) async throws {
        let signals = try SignalSource.stream(of: [.terminate, .interrupt], on: eventLoops.next())
        for await _ in signals { break }
        await withTaskGroup { group in
            group.addTask { await self.drain(grace: grace) }
            group.addTask {
                for await signal in signals where signal == .interrupt { return await self.stop() }
            }
            await group.next()
            group.cancelAll()
        }
    }
}
