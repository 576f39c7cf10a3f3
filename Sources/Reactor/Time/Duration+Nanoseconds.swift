extension Duration {
    /// The whole duration in nanoseconds, cut to what 64 bits hold.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isTooLongNow) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return isTooLong || isTooLongNow ? (seconds < 0 ? .min : .max) : sum
    }
}
