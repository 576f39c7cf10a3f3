#include "polling.h"
#include <sys/timerfd.h>
#include <time.h>

// Not in the header: it would claim `timespec` for this module, where Swift wants it from Glibc's.

int tk_timerfd(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC); }

int tk_timerfd_set(int timer, uint64_t moment) {
    struct itimerspec time = {.it_value = {.tv_sec = moment / 1000000000, .tv_nsec = moment % 1000000000}};
    return timerfd_settime(timer, TFD_TIMER_ABSTIME, &time, NULL);
}
