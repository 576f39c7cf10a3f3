/// A number as it is spelled: digits, and where the point is among them.
struct JSONNumber {
    /// What a number stands for.
    enum Value {
        case signed(Int64)
        case unsigned(UInt64)
        case float(Double)
    }

    var isNegative = false
    /// Whether there is neither a point nor an exponent.
    var isInteger = true
    /// The power of ten by which the digits are multiplied.
    var exponent = 0
    /// All digits; nil if they do not fit.
    private var digits: UInt64? = 0

    mutating func append(_ digit: UInt8) {
        guard let digits, case (let tenfold, false) = digits.multipliedReportingOverflow(by: 10),
            case (let sum, false) = tenfold.addingReportingOverflow(UInt64(digit))
        else { return digits = nil }
        self.digits = sum
    }

    /// An integer where the number is spelled as one and fits (but for -0, which only a float can keep), else the nearest float; nil for
    /// what is not finite, and for what is too long to be worth the time.
    /// - Parameter spelling: the number's text.
    func value(_ spelling: ArraySlice<UInt8>) -> Value? {
        if isInteger, let digits {
            if !isNegative { return .unsigned(digits) }
            if digits > 0, digits <= Int64.min.magnitude { return .signed(Int64(truncatingIfNeeded: 0 &- digits)) }
        }
        if let digits, digits <= 1 << 53, exponent.magnitude < Self.powersOfTen.count {
            // Both are exact, so that the result of one operation on them is rounded correctly (W. Clinger, 1990).
            let power = Self.powersOfTen[Int(exponent.magnitude)]
            let magnitude = exponent < 0 ? Double(digits) / power : Double(digits) * power
            return .float(isNegative ? -magnitude : magnitude)
        }
        guard spelling.count <= 1000, let value = Double(String(decoding: spelling, as: UTF8.self)), value.isFinite else { return nil }
        return .float(value)
    }

    /// Those that a float holds exactly.
    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]
}
