#pragma once

/// Has malloc keep so many freed bytes instead of giving them back to the system at once (mallopt(3), M_TRIM_THRESHOLD and
/// M_MMAP_THRESHOLD), where the C library has such a setting.
void tk_keep_freed_memory(int bytes);
