// Swift's Mutex takes an uncontended lock in code that is compiled into its user, and a contended one inside the standard library
// (swift/stdlib/public/Synchronization/Mutex/LinuxImpl.swift). The library is not built with the thread sanitizer, which therefore sees no order between two
// threads that met at a lock, and reports races that are none. With the sanitizer, and only then, these functions stand in for the library's: the executable's
// definition of a symbol goes before a library's. They do the same, and tell the sanitizer.

#if defined(__linux__) && defined(__has_feature)
#if __has_feature(thread_sanitizer)

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define swift_method __attribute__((swiftcall))
#define swift_name(name) __asm__("$s15Synchronization12_MutexHandleV" name)
#define swift_self __attribute__((swift_context))

static int futex(void *word, int operation) {
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0) == 0 ? 0 : errno;
}

// _MutexHandle._lockSlow(UInt32)
swift_method void tk_mutex_lock(uint32_t thread, swift_self void *word) swift_name("9_lockSlowyys6UInt32VF");
swift_method void tk_mutex_lock(uint32_t thread, swift_self void *word) {
    (void)thread;  // The kernel writes it.
    int error;
    do error = futex(word, FUTEX_LOCK_PI); while (error == EINTR || error == EAGAIN);
    if (error != 0) abort();  // A thread that locks twice.
    __tsan_acquire(word);
}

// _MutexHandle._tryLockSlow() -> Bool
swift_method bool tk_mutex_try_lock(swift_self void *word) swift_name("12_tryLockSlowSbyF");
swift_method bool tk_mutex_try_lock(swift_self void *word) {
    if (futex(word, FUTEX_TRYLOCK_PI) != 0) return false;
    __tsan_acquire(word);
    return true;
}

// _MutexHandle._unlockSlow()
swift_method void tk_mutex_unlock(swift_self void *word) swift_name("11_unlockSlowyyF");
swift_method void tk_mutex_unlock(swift_self void *word) {
    __tsan_release(word);
    int error;
    do error = futex(word, FUTEX_UNLOCK_PI); while (error == EINTR);
    if (error != 0) abort();  // A thread that does not hold the lock.
}

#endif
#endif
