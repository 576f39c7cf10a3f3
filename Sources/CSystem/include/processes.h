#pragma once
#include <sys/types.h>

/// The calling process is killed when the thread that started it ends (PR_SET_PDEATHSIG of prctl(2)). Returns -1 if its parent is not
/// `parent` any more: it has ended already.
int tk_die_with_parent(pid_t parent);
