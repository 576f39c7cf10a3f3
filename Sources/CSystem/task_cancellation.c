#include "task_cancellation.h"
#include <stdatomic.h>
#include <stddef.h>

#define SWIFTCALL __attribute__((swiftcall))

// stdlib/public/CompatibilityOverride/CompatibilityOverrideConcurrency.def and include/swift/Runtime/Concurrency.h, Swift 6.3.
typedef SWIFTCALL void (*runtime_handler)(__attribute__((swift_context)) void *context);
SWIFTCALL extern void *swift_task_addCancellationHandler(runtime_handler handler, void *context);
SWIFTCALL extern void swift_task_removeCancellationHandler(void *record);
SWIFTCALL extern void *swift_task_alloc(size_t size);
SWIFTCALL extern void swift_task_dealloc(void *memory);

struct registration {
    void (*handler)(const void *object, uint64_t number);
    const void *object;
    uint64_t number;
    void *record;
    atomic_bool was_called;
};

static SWIFTCALL void call_handler(__attribute__((swift_context)) void *context) {
    struct registration *registration = context;
    atomic_store(&registration->was_called, true);
    registration->handler(registration->object, registration->number);
}

void *tk_add_cancellation_handler(void (*handler)(const void *object, uint64_t number), const void *object, uint64_t number) {
    struct registration *registration = swift_task_alloc(sizeof *registration);
    registration->handler = handler;
    registration->object = object;
    registration->number = number;
    atomic_init(&registration->was_called, false);
    registration->record = swift_task_addCancellationHandler(call_handler, registration);
    return registration;
}

bool tk_cancellation_was_handled(const void *memory) {
    const struct registration *registration = memory;
    return atomic_load(&registration->was_called);
}

void tk_remove_cancellation_handler(void *memory) {
    struct registration *registration = memory;
    swift_task_removeCancellationHandler(registration->record);
    swift_task_dealloc(registration);
}
