#include "memory.h"

#include <malloc.h>

void tk_keep_freed_memory(int bytes) {
#ifdef M_TRIM_THRESHOLD
    mallopt(M_TRIM_THRESHOLD, bytes);
    mallopt(M_MMAP_THRESHOLD, bytes < 32 * 1024 * 1024 ? bytes : 32 * 1024 * 1024);
#else
    (void)bytes;
#endif
}
