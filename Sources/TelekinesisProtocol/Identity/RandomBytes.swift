extension [UInt8] {
    /// Bytes from the system's random source.
    ///
    /// - Parameter count: how many.
    public static func random(count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in generator.next() }
    }
}
