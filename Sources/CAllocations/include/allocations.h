#pragma once
#include <stdint.h>

/// The number of blocks of memory that the calling thread has asked for, or for which it has asked to change the size; 0 for ever where
/// that is not counted (other C libraries than glibc, sanitizers).
uint64_t allocations_of_this_thread(void);

/// The same for all threads together.
uint64_t allocations_of_this_process(void);
