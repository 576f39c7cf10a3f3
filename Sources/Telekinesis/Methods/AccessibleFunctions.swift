/// The records that the compiler leaves in the binary for functions that can be called by name.
///
/// Every `distributed func` of every loaded image has one in the section `swift5_accessible_functions` (swift/ABI/Metadata.h,
/// `TargetAccessibleFunctionRecord`): five relative 32-bit fields. The images are visited with the runtime's own function, as Swift Testing does
/// to find its tests.
enum AccessibleFunctions {
    /// Every record of every image that is loaded now.
    static func all() -> [AccessibleFunction] {
        var records: [AccessibleFunction] = []
        withUnsafeMutablePointer(to: &records) { records in
            enumerateMetadataSections(
                { sections, records in
                    guard let section = AccessibleFunction.section(of: sections) else { return true }
                    for offset in stride(from: 0, to: section.count, by: AccessibleFunction.recordSize) {
                        guard let start = section.baseAddress, offset + AccessibleFunction.recordSize <= section.count else { break }
                        guard let record = AccessibleFunction(at: start + offset) else { continue }
                        records?.assumingMemoryBound(to: [AccessibleFunction].self).pointee.append(record)
                    }
                    return true
                }, records)
        }
        return records
    }
}

/// One function that can be called by name.
///
/// The pointers lead into images; an image with Swift code in it is never unloaded, because its types cannot be.
struct AccessibleFunction: @unchecked Sendable {
    static let recordSize = 20

    /// The mangled name, which `RemoteCallTarget.identifier` also has.
    let mangledName: UnsafeBufferPointer<UInt8>
    /// Whether the function is generic, or belongs to something that is.
    let isGeneric: Bool
    /// The mangled type of the function, which refers to types by address.
    let functionType: UnsafeRawPointer
    /// The `AsyncFunctionPointer` of the accessor: decodes arguments, then calls the distributed thunk.
    let accessor: UnsafeRawPointer

    /// Takes a record apart; `nil` when the function is not a distributed one.
    init?(at record: UnsafeRawPointer) {
        func target(_ offset: Int) -> UnsafeRawPointer {
            record + offset + Int(record.load(fromByteOffset: offset, as: Int32.self))
        }
        let isDistributed = record.load(fromByteOffset: 16, as: UInt32.self) & 1 != 0
        guard isDistributed else { return nil }
        let name = target(0).assumingMemoryBound(to: UInt8.self)
        var length = 0
        while name[length] != 0 { length += 1 }
        mangledName = UnsafeBufferPointer(start: name, count: length)
        isGeneric = record.load(fromByteOffset: 4, as: Int32.self) != 0
        functionType = target(8)
        accessor = target(12)
    }

    /// The name as a string.
    var name: String { String(decoding: mangledName, as: UTF8.self) }

    /// Whether the function's type refers to the type with this descriptor: as `self`, a parameter or the result.
    ///
    /// In mangled names inside a binary, a control character stands before a reference (docs/ABI/Mangling.rst, "Symbolic references"): U+0001 the
    /// offset of a descriptor, U+0002 the offset of a pointer to one, other characters below U+0018 other offsets of four bytes, and those below U+0020 pointers.
    func refers(to descriptor: UnsafeRawPointer) -> Bool {
        var position = functionType
        while true {
            let byte = position.load(as: UInt8.self)
            position += 1
            switch byte {
            case 0:
                return false
            case 0x01, 0x02:
                let target = position + Int(position.loadUnaligned(as: Int32.self))
                if (byte == 0x01 ? target : target.load(as: UnsafeRawPointer.self)) == descriptor { return true }
                position += 4
            case 0x03..<0x18:
                position += 4
            case 0x18..<0x20:
                position += MemoryLayout<UInt>.size
            default:
                break
            }
        }
    }

    /// The section of accessible functions in what the runtime keeps of an image (swift/shims/MetadataSections.h): version, base address and two
    /// unused words, then a start and a length for each of thirteen kinds of section, of which this is the last.
    fileprivate static func section(of sections: UnsafeRawPointer) -> UnsafeRawBufferPointer? {
        let version = sections.load(as: UInt.self)
        guard version >= 2 else { return nil }  // older ones have no such section
        let range = sections + 4 * MemoryLayout<UInt>.size + 12 * 2 * MemoryLayout<UInt>.size
        guard let start = UnsafeRawPointer(bitPattern: range.load(as: UInt.self)) else { return nil }
        return UnsafeRawBufferPointer(start: start, count: range.load(fromByteOffset: MemoryLayout<UInt>.size, as: Int.self))
    }
}

@_silgen_name("swift_enumerateAllMetadataSections")
private func enumerateMetadataSections(
    _ body: @convention(c) (_ sections: UnsafeRawPointer, _ context: UnsafeMutableRawPointer?) -> Bool, _ context: UnsafeMutableRawPointer?)
