#define _GNU_SOURCE
#include "errors.h"
#include <stdio.h>
#include <string.h>

void tk_error_text(int number, char *text, size_t capacity) {
    char buffer[128];
    // The GNU variant: the result is not always in the buffer.
    snprintf(text, capacity, "%s", strerror_r(number, buffer, sizeof buffer));
}
