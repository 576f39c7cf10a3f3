internal import CSystem

/// The memory of the whole process.
public enum ProcessMemory {
    /// Has the allocator keep freed memory for the next large value instead of giving it back to the system.
    ///
    /// Every value of a megabyte and more is made of pages that the system must clear first, which takes longer than to copy them. A program that
    /// passes many such values says this once, in its `main`; the hub of `tk` does.
    ///
    /// - Parameter bytes: how much may be kept.
    public static func keepFreed(upTo bytes: Int = 64 * 1024 * 1024) { tk_keep_freed_memory(Int32(clamping: bytes)) }
}
