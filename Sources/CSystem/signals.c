#define _GNU_SOURCE
#include "signals.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum { SIGNALS = 65 };
// A descriptor + 1, so that zero means none. Lock-free atomics are all a signal handler may touch.
static atomic_int descriptors[SIGNALS];
static struct sigaction previous[SIGNALS];

static void forward(int signal) {
    int saved = errno;
    int descriptor = atomic_load(&descriptors[signal]) - 1;
    unsigned char number = (unsigned char)signal;
    // A full pipe means that the reader has signals waiting already.
    if (descriptor >= 0 && write(descriptor, &number, 1) < 0) {}
    errno = saved;
}

int tk_signal_forward(int signal, int descriptor) {
    if (signal <= 0 || signal >= SIGNALS) {
        errno = EINVAL;
        return -1;
    }
    int none = 0;
    if (!atomic_compare_exchange_strong(&descriptors[signal], &none, descriptor + 1)) {
        errno = EBUSY;
        return -1;
    }
    struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, &previous[signal]);
}

void tk_signal_restore(int signal, int descriptor) {
    if (signal <= 0 || signal >= SIGNALS) return;
    if (atomic_load(&descriptors[signal]) != descriptor + 1) return;
    sigaction(signal, &previous[signal], 0);
    atomic_store(&descriptors[signal], 0);
}

int tk_pipe(int ends[2]) { return pipe2(ends, O_NONBLOCK | O_CLOEXEC); }
