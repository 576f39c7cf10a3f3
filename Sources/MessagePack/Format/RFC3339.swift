/// Timestamps as text, by RFC 3339.
extension MessagePackTimestamp {
    /// The time in UTC, with as many digits after the point as it needs; nil outside of the years 0 to 9999.
    public var rfc3339: String? {
        let (day, second) = seconds.quotientAndRemainderRoundedDown(dividingBy: 86_400)
        guard (-719_528...2_932_896).contains(day) else { return nil }
        let date = CivilDate(daysSince1970: day)
        var text = [UInt8]()
        text.reserveCapacity(30)
        text.append(decimal: date.year, digits: 4)
        text.append(UInt8(ascii: "-"))
        text.append(decimal: date.month, digits: 2)
        text.append(UInt8(ascii: "-"))
        text.append(decimal: date.day, digits: 2)
        text.append(UInt8(ascii: "T"))
        text.append(decimal: second / 3600, digits: 2)
        text.append(UInt8(ascii: ":"))
        text.append(decimal: second / 60 % 60, digits: 2)
        text.append(UInt8(ascii: ":"))
        text.append(decimal: second % 60, digits: 2)
        if nanoseconds > 0 {
            text.append(UInt8(ascii: "."))
            text.append(decimal: Int64(nanoseconds), digits: 9)
            while text.last == UInt8(ascii: "0") { text.removeLast() }
        }
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads a time with a zone, such as `2026-01-31T12:00:00.5+01:00`; nil if `text` is not one. Digits beyond nanoseconds are dropped,
    /// and a leap second (`:60`) is the second after it, as RFC 3339 section 5.6 leaves open.
    public init?(rfc3339 text: String) {
        var rest = Array(text.utf8)[...]
        guard let year = rest.takeDecimal(4), rest.take("-"), let month = rest.takeDecimal(2), rest.take("-"),
            let day = rest.takeDecimal(2),
            rest.take("T") || rest.take("t") || rest.take(" "),
            let hour = rest.takeDecimal(2), rest.take(":"), let minute = rest.takeDecimal(2), rest.take(":"),
            let second = rest.takeDecimal(2),
            (1...12).contains(month), hour < 24, minute < 60, second <= 60
        else { return nil }
        let days = CivilDate(year: year, month: month, day: day).daysSince1970
        guard CivilDate(daysSince1970: days).month == month, day > 0 else { return nil }

        var nanoseconds: Int64 = 0
        if rest.take(".") {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            rest = rest[digits.endIndex...]
            for place in 0..<9 {
                nanoseconds = nanoseconds * 10 + (place < digits.count ? Int64(digits[digits.startIndex + place] - 0x30) : 0)
            }
        }

        var offset: Int64 = 0
        if !(rest.take("Z") || rest.take("z")) {
            let sign: Int64 = rest.first == UInt8(ascii: "-") ? -1 : 1
            guard rest.take("+") || rest.take("-"), let hours = rest.takeDecimal(2), rest.take(":"), let minutes = rest.takeDecimal(2),
                hours < 24, minutes < 60
            else { return nil }
            offset = sign * (hours * 3600 + minutes * 60)
        }
        guard rest.isEmpty else { return nil }
        self.init(seconds: days * 86_400 + hour * 3600 + minute * 60 + second - offset, nanoseconds: UInt32(nanoseconds))
    }
}

/// A day of the proleptic Gregorian calendar. The arithmetic is Howard Hinnant's (`days_from_civil`, `civil_from_days`): years begin in March,
/// so that the leap day is a year's last, and are counted in eras of 400 years.
private struct CivilDate {
    var year, month, day: Int64

    init(year: Int64, month: Int64, day: Int64) {
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSince1970: Int64) {
        let (era, dayOfEra) = (daysSince1970 + 719_468).quotientAndRemainderRoundedDown(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int64 {
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).quotientAndRemainderRoundedDown(dividingBy: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

extension Int64 {
    fileprivate func quotientAndRemainderRoundedDown(dividingBy divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

extension [UInt8] {
    fileprivate mutating func append(decimal value: Int64, digits: Int) {
        var scale: Int64 = 1
        for _ in 1..<digits { scale *= 10 }
        while scale > 0 {
            append(UInt8(ascii: "0") + UInt8(value / scale % 10))
            scale /= 10
        }
    }
}

extension ArraySlice<UInt8> {
    fileprivate mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard first == UInt8(ascii: character) else { return false }
        removeFirst()
        return true
    }

    fileprivate mutating func takeDecimal(_ digits: Int) -> Int64? {
        let text = prefix(digits)
        guard text.count == digits, text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        removeFirst(digits)
        return text.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }
}
