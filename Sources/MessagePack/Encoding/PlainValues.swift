internal import FoundationEssentials

extension MessagePackWriter {
    /// Writes the values of types that have a form of their own, recognised by identity so that the common ones never meet an `any Encoder`.
    /// Where `Value` is known to the optimizer all but one branch disappear.
    /// - Returns: false, having written nothing, for the others: they know how to encode themselves.
    @inline(__always)
    mutating func writePlain<Value>(_ value: Value) throws(MessagePackError) -> Bool {
        func same<Plain>(_: Plain.Type) -> Plain { unsafeBitCast(value, to: Plain.self) }
        if Value.self == Int.self {
            write(same(Int.self))
        } else if Value.self == String.self {
            write(same(String.self))
        } else if Value.self == Bool.self {
            write(same(Bool.self))
        } else if Value.self == Double.self {
            write(same(Double.self))
        } else if Value.self == [UInt8].self {
            writeBinary(same([UInt8].self))
        } else if Value.self == Data.self {
            same(Data.self).withUnsafeBytes { writeBinary($0) }
        } else if Value.self == [Int].self {
            writeArray(same([Int].self)) { $0.write($1) }
        } else if Value.self == [String].self {
            writeArray(same([String].self)) { $0.write($1) }
        } else if Value.self == [Double].self {
            writeArray(same([Double].self)) { $0.write($1) }
        } else if Value.self == [String: Int].self {
            writeMap(same([String: Int].self)) { $0.write($1) }
        } else if Value.self == [String: String].self {
            writeMap(same([String: String].self)) { $0.write($1) }
        } else if Value.self == [String: Double].self {
            writeMap(same([String: Double].self)) { $0.write($1) }
        } else if Value.self == Int64.self {
            write(same(Int64.self))
        } else if Value.self == UInt64.self {
            write(same(UInt64.self))
        } else if Value.self == UInt.self {
            write(UInt64(same(UInt.self)))
        } else if Value.self == Int32.self {
            write(Int64(same(Int32.self)))
        } else if Value.self == UInt32.self {
            write(UInt64(same(UInt32.self)))
        } else if Value.self == Int16.self {
            write(Int64(same(Int16.self)))
        } else if Value.self == UInt16.self {
            write(UInt64(same(UInt16.self)))
        } else if Value.self == Int8.self {
            write(Int64(same(Int8.self)))
        } else if Value.self == UInt8.self {
            write(UInt64(same(UInt8.self)))
        } else if Value.self == Float.self {
            write(same(Float.self))
        } else if Value.self == Date.self {
            guard let timestamp = MessagePackTimestamp(same(Date.self)) else {
                throw MessagePackError(.invalidTimestamp, offset: bytes.count)
            }
            write(timestamp)
        } else if Value.self == URL.self {
            write(same(URL.self).absoluteString)
        } else if Value.self == Int128.self {
            writeWide(same(Int128.self))
        } else if Value.self == UInt128.self {
            writeWide(same(UInt128.self))
        } else {
            return false
        }
        return true
    }

    @inline(__always)
    private mutating func writeArray<Element>(_ values: [Element], _ write: (inout MessagePackWriter, Element) -> Void) {
        writeArrayHeader(count: values.count)
        for value in values { write(&self, value) }
    }

    @inline(__always)
    private mutating func writeMap<Value>(_ values: [String: Value], _ write: (inout MessagePackWriter, Value) -> Void) {
        writeMapHeader(count: values.count)
        for (key, value) in values {
            self.write(key)
            write(&self, value)
        }
    }

    private mutating func writeWide(_ value: some FixedWidthInteger) {
        if let value = Int64(exactly: value) {
            write(value)
        } else if let value = UInt64(exactly: value) {
            write(value)
        } else {
            write(String(value))
        }
    }
}

extension MessagePackTimestamp {
    /// The nearest nanosecond to `date`; nil beyond 292 thousand million years from now.
    init?(_ date: Date) {
        // Split before moving the epoch: the sum of both could not hold the fraction.
        let second = date.timeIntervalSinceReferenceDate.rounded(.down)
        let nanoseconds = ((date.timeIntervalSinceReferenceDate - second) * 1e9).rounded()
        guard let whole = Int64(exactly: second), case (let seconds, false) = whole.addingReportingOverflow(Self.referenceDate) else {
            return nil
        }
        if nanoseconds < 1e9 {
            self.init(seconds: seconds, nanoseconds: UInt32(nanoseconds))
        } else {
            self.init(seconds: seconds + 1)
        }
    }

    /// The nearest date that a `Date` holds.
    var date: Date {
        Date(
            timeIntervalSinceReferenceDate: Double(seconds.subtractingReportingOverflow(Self.referenceDate).partialValue) + Double(
                nanoseconds) / 1e9)
    }

    private static let referenceDate = Int64(Date.timeIntervalBetween1970AndReferenceDate)
}
