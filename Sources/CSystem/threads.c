#define _GNU_SOURCE
#include "threads.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__thread void *tk_thread_slot_storage __attribute__((tls_model("initial-exec"))) = 0;
__thread void *tk_coding_slot_storage __attribute__((tls_model("initial-exec"))) = 0;

int tk_usable_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

long tk_preemptions(void) {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

void tk_name_thread(const char *name) {
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(pthread_self(), cut);
}

int tk_thread_id(void) { return (int)syscall(SYS_gettid); }

uint64_t tk_thread_processor_time(int thread) {
    // The kernel's numbering of per-thread clocks, as pthread_getcpuclockid(3) makes it; usable after the thread has ended.
    clockid_t clock = (clockid_t)((~(unsigned)thread << 3) | 6);
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) return 0;
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int tk_thread_is_runnable(int thread) {
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return 0;
    text[length] = 0;
    // proc_pid_stat(5): the state follows the name, which is in parentheses and may hold parentheses itself.
    char *end = strrchr(text, ')');
    return end && end[1] == ' ' && end[2] == 'R';
}

int tk_pin(int processor) {
    cpu_set_t set;
    if (processor < 0 || processor >= CPU_SETSIZE) return -1;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof set, &set);
}
