#include "one_at_a_time.h"

#include <stdlib.h>

// Many tests say what happens within a time, or what the process has in all. Hundreds at once on a few processors would make that a matter of luck,
// and take no less time. `swift test` runs one after the other with this, as `swift test --no-parallel` does without; who sets the variable
// to another number gets that many. Read by Swift Testing when its run begins.
__attribute__((constructor)) static void run_one_test_at_a_time(void) {
    setenv("SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH", "1", 0);
}
