#pragma once
// What Glibc's Swift module lacks on Linux. One header per topic; each function is a plain system call or a few lines around one.
#include "crypto.h"
#include "errors.h"
#include "memory.h"
#include "objects.h"
#include "polling.h"
#include "processes.h"
#include "random.h"
#include "signals.h"
#include "sockets.h"
#include "task_cancellation.h"
#include "task_locals.h"
#include "threads.h"
