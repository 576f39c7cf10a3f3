#include "task_locals.h"

__attribute__((swiftcall)) extern void swift_task_localValuePush(const void *key, void *value, const void *type);
__attribute__((swiftcall)) extern void swift_task_localValuePop(void);

void tk_task_local_push(const void *key, void *value, const void *type) { swift_task_localValuePush(key, value, type); }

void tk_task_local_pop(void) { swift_task_localValuePop(); }
