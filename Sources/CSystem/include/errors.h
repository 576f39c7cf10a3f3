#pragma once
#include <stddef.h>

/// The system's words for an errno value, into a buffer of at least 64 bytes. Unlike strerror(3) safe on any thread.
void tk_error_text(int number, char *text, size_t capacity);
