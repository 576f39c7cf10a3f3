// Only in builds with the thread sanitizer: what it has to know about Swift's Mutex.
//
// The fast paths of Synchronization.Mutex are inlined atomics, which the sanitizer sees. The slow paths are in libswiftSynchronization,
// which is not instrumented, so that every contended lock looked like a race (Swift 6.3, Linux). The definitions below take their place
// at link time, call them, and tell the sanitizer what they mean.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

void __tsan_acquire(void *address);
void __tsan_release(void *address);

SWIFT void tk_mutex_lock_slow(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT bool tk_mutex_try_lock_slow(SELF void *mutex) __asm__(TRY_LOCK);
SWIFT void tk_mutex_unlock_slow(SELF void *mutex) __asm__(UNLOCK);

SWIFT void tk_mutex_lock_slow(uint32_t thread, SELF void *mutex) {
    SWIFT void (*lock)(uint32_t, SELF void *) = dlsym(RTLD_NEXT, LOCK);
    lock(thread, mutex);
    __tsan_acquire(mutex);
}

SWIFT bool tk_mutex_try_lock_slow(SELF void *mutex) {
    SWIFT bool (*tryLock)(SELF void *) = dlsym(RTLD_NEXT, TRY_LOCK);
    bool locked = tryLock(mutex);
    if (locked) __tsan_acquire(mutex);
    return locked;
}

SWIFT void tk_mutex_unlock_slow(SELF void *mutex) {
    SWIFT void (*unlock)(SELF void *) = dlsym(RTLD_NEXT, UNLOCK);
    __tsan_release(mutex);
    unlock(mutex);
}

#endif
#endif
