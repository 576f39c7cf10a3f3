#pragma once

/// Retains an object of Swift unless its end has begun; the object, or NULL. Its memory must be valid.
/// (swift_tryRetain, swift/Runtime/HeapObject.h; a Swift function may not name it.)
void *_Nullable tk_try_retain(void *_Nonnull object);
