#pragma once
#include <stdbool.h>
#include <stdint.h>

/// Has `handler` called when the running task is cancelled: at once if it has been, else on the thread that cancels it.
///
/// The registration is memory of the task, which is freed in the opposite order of allocation: the same asynchronous function ends it after the one
/// `await` that lies between, and the task allocates and frees in pairs meanwhile.
void *tk_add_cancellation_handler(void (*handler)(const void *object, uint64_t number), const void *object, uint64_t number);

/// Whether the handler has been called, or is just being called: then the running task was cancelled.
bool tk_cancellation_was_handled(const void *registration);

/// Ends a registration. When this returns the handler does not run, and will not.
void tk_remove_cancellation_handler(void *registration);
