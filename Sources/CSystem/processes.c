#define _GNU_SOURCE
#include "include/processes.h"
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int tk_die_with_parent(pid_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return -1;
    return getppid() == parent ? 0 : -1;
}
