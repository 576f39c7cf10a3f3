#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

// The constants below are enums or casts in the C headers, which Swift does not import with a usable type.
static inline uint32_t tk_epoll_in(void) { return EPOLLIN; }
static inline uint32_t tk_epoll_out(void) { return EPOLLOUT; }
static inline uint32_t tk_epoll_end(void) { return EPOLLRDHUP | EPOLLHUP | EPOLLERR; }
static inline uint32_t tk_epoll_peer_end(void) { return EPOLLRDHUP; }
static inline uint32_t tk_epoll_edge(void) { return EPOLLET; }

static inline int tk_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
static inline int tk_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }
int tk_timerfd(void);

/// Has a timerfd become readable at a moment of CLOCK_MONOTONIC, in nanoseconds.
int tk_timerfd_set(int timer, uint64_t moment);

/// epoll_ctl with the event given by value; `operation` is EPOLL_CTL_ADD, _MOD or _DEL.
static inline int tk_epoll_control(int poller, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(poller, operation, descriptor, &event);
}
