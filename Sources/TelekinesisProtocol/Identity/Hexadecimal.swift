extension FixedWidthInteger where Self: UnsignedInteger {
    /// All digits to the base 16, in lower case: two for each byte.
    public var hexadecimal: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: Self.bitWidth / 4 - digits.count) + digits
    }
}
