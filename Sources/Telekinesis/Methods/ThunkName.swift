/// What the mangled name of a distributed thunk says: whose method it is, and its signature.
struct ThunkName: Equatable {
    /// The qualified name of the type that declares the method, without the marks that tell private and local types apart.
    var owner: String
    /// The method's own name: `increment`.
    var baseName: String
    /// The labels of the parameters; `_` for none.
    var labels: [String]
    /// The types of the parameters as one would write them.
    var parameterTypes: [String]
    /// The type of the result as one would write it; `Void` for none.
    var resultType: String

    /// `increment(by:)`.
    var wireName: String { "\(baseName)(\(labels.map { $0 + ":" }.joined()))" }

    /// `increment(by:)(Int)`: tells overloads apart.
    var typedWireName: String { "\(wireName)(\(parameterTypes.joined(separator: ", ")))" }

    /// `increment(by: Int) -> Int`.
    var signature: String {
        let parameters = zip(labels, parameterTypes).map { $0 == "_" ? "_: \($1)" : "\($0): \($1)" }.joined(separator: ", ")
        return "\(baseName)(\(parameters))" + (resultType == "Void" ? "" : " -> \(resultType)")
    }

    /// FNV-1a-32 of the ``signature``, and 1 in place of 0, which on the wire says "not known".
    var signatureHash: UInt32 {
        var hash: UInt32 = 0x811c_9dc5
        for byte in signature.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return hash == 0 ? 1 : hash
    }

    /// Demangles and takes apart a thunk's name; `nil` when it is not the name of a distributed thunk.
    init?(mangled: UnsafeBufferPointer<UInt8>) {
        // The compiler's mark for a distributed thunk; without it there is nothing to demangle.
        guard mangled.suffix(2).elementsEqual("TE".utf8) else { return nil }
        // The runtime reads the name up to a zero, whatever length it is given.
        guard let text = String(decoding: mangled, as: UTF8.self).withCString({ demangle($0, mangled.count, nil, nil, 0) }) else {
            return nil
        }
        defer { text.deallocate() }
        self.init(demangled: String(cString: text))
    }

    /// Takes apart a text such as `distributed thunk Shop.Counter.increment(by: Swift.Int) async throws -> Swift.Int`.
    init?(demangled text: String) {
        var scanner = DemangledText(text)
        guard scanner.skip("distributed thunk ") else { return nil }
        if scanner.skip("(extension in ") { scanner.skip(past: ":") }
        let path = scanner.upToParameters()
        guard let parameters = scanner.parenthesised() else { return nil }
        guard scanner.skip(" async throws -> ") else { return nil }
        // A type inside a function: `f() async throws -> () in Counter #1 in Shop.main()`.
        let (result, context) = DemangledText.split(scanner.rest, before: " in ")
        let components = DemangledText.components(path, separator: ".")
        guard let last = components.last, !last.isEmpty else { return nil }
        baseName = DemangledText.withoutGenerics(last).filter { $0 != "`" }
        owner =
            if let context {
                DemangledText.split(context, before: " #").0
            } else {
                Self.ownerName(components.dropLast().joined(separator: "."))
            }
        labels = []
        parameterTypes = []
        for parameter in DemangledText.components(parameters, separator: ",") where !parameter.isEmpty {
            let (label, type) = DemangledText.labelled(parameter)
            labels.append(label.filter { $0 != "`" })
            parameterTypes.append(TypeText.readable(type))
        }
        resultType = TypeText.readable(result)
    }

    /// A type's qualified name as demangled, or as `_typeName` gives it, without generics and without what marks it as private.
    static func ownerName(_ name: String) -> String {
        DemangledText.components(name, separator: ".")
            .filter { !$0.hasPrefix("(unknown context at ") }
            .map { component in
                var name = DemangledText.withoutGenerics(component)
                if name.hasPrefix("("), let end = name.range(ofFirst: " in _") {
                    name = String(name[name.index(after: name.startIndex)..<end])
                }
                return name
            }
            .joined(separator: ".")
    }
}

extension String {
    /// Where `text` first begins.
    func range(ofFirst text: String) -> Index? {
        indices.first { self[$0...].hasPrefix(text) }
    }
}

@_silgen_name("swift_demangle")
private func demangle(
    _ name: UnsafePointer<CChar>, _ length: Int, _ output: UnsafeMutablePointer<CChar>?, _ outputLength: UnsafeMutablePointer<Int>?,
    _ flags: UInt32
) -> UnsafeMutablePointer<CChar>?
