internal import TelekinesisProtocol

/// What one value has asked a decoder for.
final class DecodingNotes {
    /// What the value takes itself for.
    enum Form {
        case nothing
        /// A value of another type.
        case single(TypeShape)
        case list
        case fields
    }

    var form = Form.nothing
    /// The fields of a record, in the order in which they were asked for.
    private(set) var fields: [FieldShape] = []
    /// The elements of a list.
    private(set) var elements: [TypeShape] = []
    /// Whether the value has asked for the end of the list: then it takes any number of elements.
    var asksForEnd = false
    /// The keys that there are, where the value has asked for them.
    var offeredKeys: [String]?
    /// All keys that there may be, where their type tells.
    var knownKeys: [String] = []
    /// Which of the keys a decoder says to have.
    let offering: Int
    /// What was asked of the containers within, by name.
    private var nested: [(name: String, notes: DecodingNotes)] = []

    init(offering: Int = 0) { self.offering = offering }

    /// A field was asked for. The first word counts, unless it knew less.
    func note(_ name: String, _ shape: TypeShape, mayBeMissing: Bool = false) {
        let field = FieldShape(name, shape, mayBeMissing: mayBeMissing)
        guard let index = fields.firstIndex(where: { $0.name == name }) else { return fields.append(field) }
        if fields[index].type.kind == .opaque { fields[index] = field }
    }

    /// An element was asked for.
    func note(element shape: TypeShape) { elements.append(shape) }

    /// A container under a name, or the next one of a list.
    func nest(_ name: String?) -> DecodingNotes {
        let notes = DecodingNotes()
        if let name {
            note(name, TypeShape(.opaque))
        } else {
            elements.append(TypeShape(.opaque))
        }
        nested.append((name ?? "#\(elements.count - 1)", notes))
        return notes
    }

    /// What came of it.
    ///
    /// - Parameter isWhole: whether the value was made; else fields are missing.
    func shape(isWhole: Bool) -> TypeShape {
        switch form {
        case .nothing: return TypeShape(isWhole ? .record : .opaque)
        case .single(let shape): return shape
        case .list:
            settleNested()
            if asksForEnd, let first = elements.first { return TypeShape(.array, of: [first]) }
            return asksForEnd ? TypeShape(.array, of: [TypeShape(.opaque)]) : TypeShape(.tuple, of: elements)
        case .fields:
            settleNested()
            var all = fields
            if !isWhole {
                for key in knownKeys where !all.contains(where: { $0.name == key }) { all.append(FieldShape(key, TypeShape(.opaque))) }
            }
            return TypeShape(.record, fields: all)
        }
    }

    private func settleNested() {
        for (name, notes) in nested {
            let shape = notes.shape(isWhole: true)
            if let index = fields.firstIndex(where: { $0.name == name }) {
                fields[index].type = shape
            } else if name.hasPrefix("#"), let index = Int(name.dropFirst()), elements.indices.contains(index) {
                elements[index] = shape
            }
        }
        nested = []
    }
}
