#include "objects.h"

extern void *swift_tryRetain(void *object);

void *tk_try_retain(void *object) { return swift_tryRetain(object); }
