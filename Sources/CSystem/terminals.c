#include "include/terminals.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { signal_count = sizeof signals / sizeof signals[0] };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct termios shown;
static struct sigaction former[signal_count];
// The terminal whose input is hidden, or -1. Read by the handler.
static volatile sig_atomic_t hidden = -1;

// Everything here may be called in a handler (signal-safety(7)). The handler is gone already: the signal, sent again, does what it does by default.
static void restore(int number) {
    if (hidden >= 0) {
        tcsetattr(hidden, TCSANOW, &shown);
        ssize_t ignored = write(STDERR_FILENO, "\n", 1);
        (void)ignored;
    }
    raise(number);
}

int tk_hide_input(int descriptor) {
    pthread_mutex_lock(&lock);
    int result = -1;
    if (hidden < 0 && tcgetattr(descriptor, &shown) == 0) {
        struct sigaction action = {.sa_handler = restore, .sa_flags = SA_RESETHAND};
        sigemptyset(&action.sa_mask);
        hidden = descriptor;
        for (int i = 0; i < signal_count; i++) {
            sigaction(signals[i], NULL, &former[i]);
            // Who ignores a signal, or has it handled, is not ended by it.
            if (former[i].sa_handler == SIG_DFL) sigaction(signals[i], &action, NULL);
        }
        struct termios silent = shown;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        result = tcsetattr(descriptor, TCSAFLUSH, &silent);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int tk_show_input(void) {
    pthread_mutex_lock(&lock);
    int was_hidden = hidden >= 0;
    if (was_hidden) {
        tcsetattr(hidden, TCSAFLUSH, &shown);
        hidden = -1;
        for (int i = 0; i < signal_count; i++)
            if (former[i].sa_handler == SIG_DFL) sigaction(signals[i], &former[i], NULL);
    }
    pthread_mutex_unlock(&lock);
    return was_hidden;
}
