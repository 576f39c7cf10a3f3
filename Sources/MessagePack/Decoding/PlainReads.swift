internal import FoundationEssentials

/// Where values are read from: a reader, or what holds one.
protocol ValueSource {
    var reader: MessagePackReader { get set }
    var origin: MessagePackDecoder.Origin { get }
}

extension ValueSource {
    /// Reads the types that have a form of their own, recognised by identity so that the common ones never meet an `any Decoder`.
    /// Where `Value` is known to the optimizer all but one branch disappear.
    /// - Parameter decodeItself: reads the others, which know how. (To return nil for them would cost them the look-up of what `Value?` is.)
    @inline(__always)
    mutating func read<Value>(_: Value.Type, or decodeItself: (inout Self) throws -> Value) throws -> Value {
        let origin = origin
        func same<Plain>(_ value: Plain) -> Value { unsafeBitCast(value, to: Value.self) }
        if Value.self == Int.self { return same(try reader.integer(origin, Int.self)) }
        if Value.self == String.self { return same(try reader.readString()) }
        if Value.self == Bool.self { return same(try reader.boolean(origin)) }
        if Value.self == Double.self { return same(try reader.float(origin, Double.self)) }
        if Value.self == [UInt8].self { return same(try reader.binary(origin)) }
        if Value.self == Data.self { return same(Data(try reader.binary(origin))) }
        if Value.self == [Int].self {
            return same(try reader.array { reader throws(MessagePackError) in try reader.integer(origin, Int.self) })
        }
        if Value.self == [String].self { return same(try reader.array { reader throws(MessagePackError) in try reader.readString() }) }
        if Value.self == [Double].self {
            return same(try reader.array { reader throws(MessagePackError) in try reader.float(origin, Double.self) })
        }
        if Value.self == [String: Int].self {
            return same(try reader.map { reader throws(MessagePackError) in try reader.integer(origin, Int.self) })
        }
        if Value.self == [String: String].self {
            return same(try reader.map { reader throws(MessagePackError) in try reader.readString() })
        }
        if Value.self == [String: Double].self {
            return same(try reader.map { reader throws(MessagePackError) in try reader.float(origin, Double.self) })
        }
        if Value.self == Int64.self { return same(try reader.integer(origin, Int64.self)) }
        if Value.self == UInt64.self { return same(try reader.integer(origin, UInt64.self)) }
        if Value.self == UInt.self { return same(try reader.integer(origin, UInt.self)) }
        if Value.self == Int32.self { return same(try reader.integer(origin, Int32.self)) }
        if Value.self == UInt32.self { return same(try reader.integer(origin, UInt32.self)) }
        if Value.self == Int16.self { return same(try reader.integer(origin, Int16.self)) }
        if Value.self == UInt16.self { return same(try reader.integer(origin, UInt16.self)) }
        if Value.self == Int8.self { return same(try reader.integer(origin, Int8.self)) }
        if Value.self == UInt8.self { return same(try reader.integer(origin, UInt8.self)) }
        if Value.self == Float.self { return same(try reader.float(origin, Float.self)) }
        if Value.self == Date.self { return same(try reader.timestamp(origin).date) }
        if Value.self == URL.self { return same(try reader.text { URL(string: $0) }) }
        if Value.self == Int128.self { return same(try reader.wide(origin, Int128.self)) }
        if Value.self == UInt128.self { return same(try reader.wide(origin, UInt128.self)) }
        return try decodeItself(&self)
    }
}

extension MessagePackReader {
    @inline(__always)
    fileprivate mutating func array<Element>(_ read: (inout Self) throws(MessagePackError) -> Element) throws(MessagePackError) -> [Element]
    {
        let count = try readArrayHeader()
        var values = [Element]()
        // At least one byte of each is there.
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try read(&self)) }
        return values
    }

    @inline(__always)
    fileprivate mutating func map<Element>(_ read: (inout Self) throws(MessagePackError) -> Element) throws(MessagePackError) -> [String:
        Element]
    {
        let count = try readMapHeader()
        var values = [String: Element](minimumCapacity: count)
        for _ in 0..<count {
            let start = position
            let key = try readString()
            guard values.updateValue(try read(&self), forKey: key) == nil else { throw MessagePackError(.duplicateKey, offset: start) }
        }
        return values
    }

    // MARK: What may stand for what

    @inline(__always)
    fileprivate mutating func integer<Integer: FixedWidthInteger>(
        _ origin: MessagePackDecoder.Origin, _: Integer.Type
    ) throws(MessagePackError) -> Integer {
        origin == .native ? try readInteger() : try lenientInteger()
    }

    private mutating func lenientInteger<Integer: FixedWidthInteger>() throws(MessagePackError) -> Integer {
        switch try peekHead() {
        case .double(let number):
            // Beyond 2^53 the float may stand for an integer that was another.
            guard number.magnitude <= 0x1p53, let value = Integer(exactly: number) else {
                throw MessagePackError(.inexactNumber, offset: position)
            }
            try skip()
            return value
        case .string: return try text { Integer($0) }
        default: return try readInteger()
        }
    }

    @inline(__always)
    fileprivate mutating func float<Number: BinaryFloatingPoint & LosslessStringConvertible>(
        _ origin: MessagePackDecoder.Origin, _: Number.Type
    ) throws(MessagePackError) -> Number {
        origin == .native ? try readFloat() : try lenientFloat(origin)
    }

    /// Decimal digits hardly ever are a binary number exactly: the nearest will do, if it is finite.
    private mutating func lenientFloat<Number: BinaryFloatingPoint & LosslessStringConvertible>(
        _ origin: MessagePackDecoder.Origin
    ) throws(MessagePackError) -> Number {
        let start = position
        let value: Number
        switch try peekHead() {
        case .signed(let number): value = Number(number)
        case .unsigned(let number): value = Number(number)
        case .double(let number): value = Number(number)
        case .string:
            return try text {
                switch $0 {
                case "NaN": .nan
                case "Infinity": .infinity
                case "-Infinity": -.infinity
                default: origin == .words ? Number($0).flatMap { $0.isFinite ? $0 : nil } : nil
                }
            }
        default: return try readFloat()
        }
        guard value.isFinite else { throw MessagePackError(.inexactNumber, offset: start) }
        try skip()
        return value
    }

    @inline(__always)
    fileprivate mutating func boolean(_ origin: MessagePackDecoder.Origin) throws(MessagePackError) -> Bool {
        if origin == .words, case .string = try peekHead() { return try text { Bool($0) } }
        return try readBool()
    }

    /// Bytes; also as an array of integers, which is how others may write what is `[UInt8]` here.
    fileprivate mutating func binary(_ origin: MessagePackDecoder.Origin) throws(MessagePackError) -> [UInt8] {
        if let whole = readTail() { return whole }
        switch try peekHead() {
        case .array: return try array { reader throws(MessagePackError) in try reader.integer(origin, UInt8.self) }
        case .string where origin != .native:
            let start = position
            let text = try readStringBytes()
            guard let bytes = Base64.decode(bytes[text]) else { throw MessagePackError(.invalidText, offset: start) }
            return bytes
        default: return try readBinary()
        }
    }

    fileprivate mutating func timestamp(_ origin: MessagePackDecoder.Origin) throws(MessagePackError) -> MessagePackTimestamp {
        if origin != .native, case .string = try peekHead() { return try text { MessagePackTimestamp(rfc3339: $0) } }
        return try readTimestamp()
    }

    /// Beyond 64 bits integers are decimal strings in MessagePack, too.
    fileprivate mutating func wide<Integer: FixedWidthInteger>(
        _ origin: MessagePackDecoder.Origin, _: Integer.Type
    ) throws(MessagePackError) -> Integer {
        if case .string = try peekHead() { return try text { Integer($0) } }
        return try integer(origin, Integer.self)
    }

    fileprivate mutating func text<Value>(_ parse: (String) -> Value?) throws(MessagePackError) -> Value {
        let start = position
        guard let value = parse(try readString()) else { throw MessagePackError(.invalidText, offset: start) }
        return value
    }
}
