#pragma once
#include <stddef.h>

/// Fills `bytes` from the kernel's generator (getrandom(2)); returns 0, or -1 with errno set.
int tk_random(void *bytes, size_t count);
