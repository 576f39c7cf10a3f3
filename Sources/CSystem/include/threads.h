#pragma once
#include <pthread.h>
#include <stdint.h>

/// One pointer per thread, for whoever runs an event loop on it. Defined once, in threads.c: a static copy in a header would exist once
/// per Swift object file.
extern __thread void *tk_thread_slot_storage __attribute__((tls_model("initial-exec")));

static inline void *tk_thread_slot(void) { return tk_thread_slot_storage; }
static inline void tk_set_thread_slot(void *value) { tk_thread_slot_storage = value; }

/// One more pointer per thread, for the message that is being encoded or decoded on it.
extern __thread void *tk_coding_slot_storage __attribute__((tls_model("initial-exec")));

static inline void *tk_coding_slot(void) { return tk_coding_slot_storage; }
static inline void tk_set_coding_slot(void *value) { tk_coding_slot_storage = value; }

/// How many processors this process may run on (sched_getaffinity(2)); at least 1.
int tk_usable_processors(void);

/// Keeps this thread, and the threads and processes that it starts from now on, on one processor (sched_setaffinity(2)). 0 when that worked.
int tk_pin(int processor);

/// How often the calling thread has had to make way for another (getrusage(2)).
long tk_preemptions(void);

/// Names the calling thread as `ps -L` and debuggers show it; longer names are cut to 15 bytes.
void tk_name_thread(const char *name);

/// The kernel's id of the calling thread.
int tk_thread_id(void);

/// Processor time a thread of this process has used, in nanoseconds; 0 if it has ended.
uint64_t tk_thread_processor_time(int thread);

/// Whether a thread of this process is on a processor or waiting for one, as opposed to blocked in the kernel.
int tk_thread_is_runnable(int thread);
